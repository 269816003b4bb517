#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "api/requests.h"
#include "base/period.h"
#include "cli/answers.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "cli/requests.h"
#include "flint/limit.h"

namespace flint::cli {
namespace {

/// Statuses in one table of `limit list`.
constexpr std::size_t kPage = 1'000;
/// Of history and of top, as their help says.
constexpr std::uint64_t kDefaultEvents = 100;
constexpr std::uint64_t kDefaultKeys = 20;

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

/// The value of `--limit`, which must be a whole number.
Result<std::uint64_t> limit_option(const Invocation& invocation, std::uint64_t otherwise) {
  const auto text = invocation.option("--limit");
  return text ? parse_integer("--limit", *text) : Result<std::uint64_t>(otherwise);
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

/// Prints one page of a list: as a table, or as the elements of the one array that --json is.
void print_page(Session& session, const json::value& statuses, std::string_view text, bool first) {
  const bool empty = elements(statuses).empty();
  if (session.json()) {
    const std::size_t begin = text.find('[') + 1;
    if (first || !empty) session.print(first ? "[" : ",");
    session.print(text.substr(begin, text.rfind(']') - begin));
  } else if (!empty) {
    session.print(render_statuses(statuses, session.style()).text);
  } else if (first) {
    session.print("No limits. Set one with: flint limit add KEY --rate 100 --per 1m\n");
  }
}

/// Page after page, so that memory and the time to the first line do not depend on the number of limits, and that each
/// page is judged before anything of it is printed.
Exit list_in_pages(Session& session, const Invocation& invocation, std::uint64_t wanted) {
  const std::string prefix(invocation.option("--prefix").value_or(""));
  std::string after(invocation.option("--after").value_or(""));
  for (std::uint64_t seen = 0;;) {
    const std::uint64_t page = std::min<std::uint64_t>(kPage, wanted - seen);
    json::object arguments;
    if (!prefix.empty()) arguments.emplace("prefix", prefix);
    if (!after.empty()) arguments.emplace("after", after);
    arguments.emplace("limit", page);
    const Judge judge = [&](const json::value& answer) { return judge_page(answer, {prefix, after, page}); };
    std::size_t got = 0;
    std::string last;
    const Exit exit = session.take(Access::kRead, request("listLimits", arguments), judge,
                                   [&](const json::value& statuses, std::string_view text) {
                                     print_page(session, statuses, text, seen == 0);
                                     const json::array& rows = elements(statuses);
                                     got = rows.size();
                                     if (got > 0) last = rows.back().at("key").as_string();
                                     return Exit::kDone;
                                   });
    if (exit != Exit::kDone) return exit;
    after = std::move(last);
    seen += got;
    if (got < page || seen >= wanted || session.unheard()) break;
  }
  if (session.json()) session.print("]\n");
  return Exit::kDone;
}

}  // namespace

Exit limit_add(Session& session, const Invocation& invocation) {
  json::object body{{"key", invocation.operands.front()}};
  if (Status status = put_integer(body, "rate", invocation, "--rate"); !status.ok()) return session.fail(status);
  body.emplace("per", *invocation.option("--per"));
  if (const auto algorithm = invocation.option("--algorithm")) body.emplace("algorithm", *algorithm);
  if (Status status = put_integer(body, "burst", invocation, "--burst"); !status.ok()) return session.fail(status);
  const Call call = request("setLimit", body);
  if (Status status = check_limit(call.body); !status.ok()) return session.fail(status);
  return session.ask(Access::kCreate, call, judge_done, sentence(rule_as_set(invocation)));
}

Exit limit_check(Session& session, const Invocation& invocation) {
  json::object body{{"key", invocation.operands.front()}};
  if (Status status = put_integer(body, "cost", invocation, "--cost"); !status.ok()) return session.fail(status);
  const json::value* cost = body.if_contains("cost");
  const Item asked{invocation.operands.front(), cost == nullptr ? 1 : unsigned_of(*cost).value_or(0)};
  return session.ask(
      Access::kChange, request("check", body), [&](const json::value& answer) { return judge_decision(answer, asked); },
      rendered(render_decision, session));
}

Exit limit_check_all(Session& session, const Invocation& invocation) {
  json::array items;
  std::vector<Item> asked;
  for (const std::string& operand : invocation.operands) {
    Result<Item> item = parse_item(operand);
    if (!item.ok()) return session.fail(item.status());
    items.push_back(json::object{{"key", item->key}, {"cost", item->cost}});
    asked.push_back(*std::move(item));
  }
  return session.ask(
      Access::kChange, request("checkAll", {{"items", std::move(items)}}),
      [&](const json::value& answer) { return judge_check_all(answer, asked); }, rendered(render_check_all, session));
}

Exit limit_status(Session& session, const Invocation& invocation) {
  const std::string& key = invocation.operands.front();
  // The API would say the same, but an empty key cannot stand in a path.
  if (Status status = validate_key(key); !status.ok()) return session.fail(status);
  return session.ask(
      Access::kRead, request("getLimit", {{"key", key}}),
      [&](const json::value& answer) { return judge_status(answer, key); }, rendered(render_status, session));
}

Exit limit_list(Session& session, const Invocation& invocation) {
  Result<std::uint64_t> wanted = limit_option(invocation, UINT64_MAX);
  return wanted.ok() ? list_in_pages(session, invocation, *wanted) : session.fail(wanted.status());
}

Exit limit_reset(Session& session, const Invocation& invocation) {
  const std::string& key = invocation.operands.front();
  return session.ask(Access::kChange, request("reset", {{"key", key}}), judge_done,
                     sentence(quote(key) + " has its full quota again.\n"));
}

Exit limit_history(Session& session, const Invocation& invocation) {
  const std::string& key = invocation.operands.front();
  if (Status status = validate_key(key); !status.ok()) return session.fail(status);
  Result<std::uint64_t> limit = limit_option(invocation, kDefaultEvents);
  if (!limit.ok()) return session.fail(limit.status());
  return session.ask(
      Access::kRead, request("history", {{"key", key}, {"limit", *limit}}),
      [&](const json::value& answer) { return judge_events(answer, *limit); }, rendered(render_history, session));
}

Exit limit_top(Session& session, const Invocation& invocation) {
  Result<std::uint64_t> limit = limit_option(invocation, kDefaultKeys);
  if (!limit.ok()) return session.fail(limit.status());
  const std::string by(invocation.option("--by").value_or("denied"));
  const Judge judge = [&](const json::value& answer) { return judge_ranking(answer, *limit); };
  return session.ask(Access::kRead, request("top", {{"limit", *limit}, {"by", by}}), judge,
                     [&](const json::value& statuses) {
                       if (elements(statuses).empty()) return Shown{"No key has been " + printable(by) + " yet.\n"};
                       return render_statuses(statuses, session.style());
                     });
}

}  // namespace flint::cli
