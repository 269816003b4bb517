#include <algorithm>
#include <string>
#include <utility>

#include "api/requests.h"
#include "base/period.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "cli/requests.h"
#include "flint/limit.h"

namespace flint::cli {
namespace {

/// Statuses in one table of `limit list`.
constexpr std::size_t kPage = 1'000;

Show sentence(std::string text) {
  return [text = std::move(text)](const json::value&) { return Shown{text}; };
}

Show rendered(Shown (*render)(const json::value&, const Style&), const Session& session) {
  return [render, &session](const json::value& answer) { return render(answer, session.style()); };
}

/// Puts the whole number of an option, when it is given, into `body`.
Status put_integer(json::object& body, std::string_view field, const Invocation& invocation, std::string_view option) {
  const auto text = invocation.option(option);
  if (!text) return {};
  Result<std::uint64_t> value = parse_integer(option, *text);
  if (value.ok()) body.emplace(field, *value);
  return value.status();
}

/// Appends `name=value`, percent-encoded, when the option is given.
void add_to_query(std::string& query, std::string_view name, std::optional<std::string_view> value) {
  if (!value) return;
  if (!query.empty()) query += '&';
  query += std::string(name) + "=" + percent_encode(*value);
}

/// The query with `--limit`, which must be a whole number.
Result<std::string> query_with_limit(const Invocation& invocation) {
  std::string query;
  if (const auto text = invocation.option("--limit")) {
    Result<std::uint64_t> limit = parse_integer("--limit", *text);
    if (!limit.ok()) return limit.status();
    add_to_query(query, "limit", std::to_string(*limit));
  }
  return query;
}

/// `prefix` and the key as a path; a key that could not stand there is refused in the API's words.
Result<std::string> key_path(std::string_view prefix, std::string_view key) {
  if (Status status = validate_key(key); !status.ok()) return status;
  return std::string(prefix) + percent_encode(key);
}

/// What the API would refuse, before a data directory is created for it.
Status check_limit(std::string_view body) {
  api::JsonDocument document;
  if (Status status = document.parse(body); !status.ok()) return status;
  Result<api::LimitRequest> request = api::read_limit(document);
  if (!request.ok()) return request.status();
  if (Status status = validate_key(request->key); !status.ok()) return status;
  return validate_limit(request->limit);
}

/// `api:x: 100 per 1m, burst 150, token_bucket`, of an invocation that was accepted.
std::string rule_as_set(const Invocation& invocation) {
  const std::string_view per = *invocation.option("--per");
  const Result<Nanos> period = parse_period(per);
  std::string text = printable(invocation.operands.front()) + ": " + std::string(*invocation.option("--rate")) +
                     " per " + (period.ok() ? base::format_period(*period) : printable(per));
  if (const auto burst = invocation.option("--burst")) text += ", burst " + std::string(*burst);
  const auto algorithm = invocation.option("--algorithm");
  return text + ", " + printable(algorithm.value_or(algorithm_name(Algorithm::kTokenBucket))) + "\n";
}

/// Table after table, so that memory and the time to the first line do not depend on the number of limits.
Exit list_in_pages(Session& session, const Invocation& invocation, std::uint64_t wanted) {
  std::string after(invocation.option("--after").value_or(""));
  std::uint64_t seen = 0;
  while (true) {
    const std::uint64_t page = std::min<std::uint64_t>(kPage, wanted - seen);
    std::string query;
    add_to_query(query, "prefix", invocation.option("--prefix"));
    if (!after.empty()) add_to_query(query, "after", after);
    add_to_query(query, "limit", std::to_string(page));
    std::size_t got = 0;
    const Exit exit = session.ask(Access::kRead, get("/v1/limits", query), [&](const json::value& statuses) {
      const json::array& rows = elements(statuses);
      got = rows.size();
      if (const json::string* key = rows.empty() ? nullptr : member(rows.back(), "key").if_string()) after = *key;
      if (rows.empty() && seen == 0) {
        return Shown{"No limits. Set one with: flint limit add KEY --rate 100 --per 1m\n"};
      }
      return rows.empty() ? Shown{} : render_statuses(statuses, session.style());
    });
    if (exit != Exit::kDone) return exit;
    seen += got;
    if (got < page || seen >= wanted || session.unheard()) return Exit::kDone;
  }
}

}  // namespace

Exit limit_add(Session& session, const Invocation& invocation) {
  json::object body{{"key", invocation.operands.front()}};
  if (Status status = put_integer(body, "rate", invocation, "--rate"); !status.ok()) return session.fail(status);
  body.emplace("per", *invocation.option("--per"));
  if (const auto algorithm = invocation.option("--algorithm")) body.emplace("algorithm", *algorithm);
  if (Status status = put_integer(body, "burst", invocation, "--burst"); !status.ok()) return session.fail(status);
  const Call call = post("/v1/limits", body);
  if (Status status = check_limit(call.body); !status.ok()) return session.fail(status);
  return session.ask(Access::kCreate, call, sentence(rule_as_set(invocation)));
}

Exit limit_check(Session& session, const Invocation& invocation) {
  json::object body{{"key", invocation.operands.front()}};
  if (Status status = put_integer(body, "cost", invocation, "--cost"); !status.ok()) return session.fail(status);
  return session.ask(Access::kChange, post("/v1/check", body), rendered(render_decision, session));
}

Exit limit_check_all(Session& session, const Invocation& invocation) {
  json::array items;
  for (const std::string& operand : invocation.operands) {
    Result<Item> item = parse_item(operand);
    if (!item.ok()) return session.fail(item.status());
    items.push_back(json::object{{"key", item->key}, {"cost", item->cost}});
  }
  return session.ask(Access::kChange, post("/v1/check-all", {{"items", std::move(items)}}),
                     rendered(render_check_all, session));
}

Exit limit_status(Session& session, const Invocation& invocation) {
  Result<std::string> path = key_path("/v1/limits/", invocation.operands.front());
  if (!path.ok()) return session.fail(path.status());
  return session.ask(Access::kRead, get(*path), rendered(render_status, session));
}

Exit limit_list(Session& session, const Invocation& invocation) {
  Result<std::string> query = query_with_limit(invocation);
  if (!query.ok()) return session.fail(query.status());
  if (!session.json()) {
    const auto limit = invocation.option("--limit");
    return list_in_pages(session, invocation, limit ? *parse_integer("--limit", *limit) : UINT64_MAX);
  }
  add_to_query(*query, "prefix", invocation.option("--prefix"));
  add_to_query(*query, "after", invocation.option("--after"));
  return session.relay(Access::kRead, get("/v1/limits", *query));
}

Exit limit_reset(Session& session, const Invocation& invocation) {
  const std::string& key = invocation.operands.front();
  return session.ask(Access::kChange, post("/v1/reset", {{"key", key}}),
                     sentence(quote(key) + " has its full quota again.\n"));
}

Exit limit_history(Session& session, const Invocation& invocation) {
  Result<std::string> path = key_path("/v1/history/", invocation.operands.front());
  if (!path.ok()) return session.fail(path.status());
  Result<std::string> query = query_with_limit(invocation);
  if (!query.ok()) return session.fail(query.status());
  return session.ask(Access::kRead, get(*path, *query), rendered(render_history, session));
}

Exit limit_top(Session& session, const Invocation& invocation) {
  Result<std::string> query = query_with_limit(invocation);
  if (!query.ok()) return session.fail(query.status());
  const std::string by(invocation.option("--by").value_or("denied"));
  add_to_query(*query, "by", by);
  return session.ask(Access::kRead, get("/v1/top", *query), [&](const json::value& statuses) {
    if (elements(statuses).empty()) return Shown{"No key has been " + printable(by) + " yet.\n"};
    return render_statuses(statuses, session.style());
  });
}

}  // namespace flint::cli
