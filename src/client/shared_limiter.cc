#include "flint/shared_limiter.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <utility>

#include "base/acquire.h"
#include "base/utf8.h"
#include "client/answers.h"
#include "client/pool.h"
#include "client/requests.h"

namespace flint {
namespace {

using client::Answer;
using client::Request;
using client::Verb;
namespace json = client::json;

constexpr std::chrono::milliseconds kMaxTimeout{86'400'000};
/// A page fits into what a connection takes, with the longest keys and eight windows each.
constexpr std::size_t kPage = 5'000;

constexpr client::Names kNames{.server = "the URL of the server",
                               .fewer = "",
                               .ca = "SharedOptions::ca_file",
                               .cert = "SharedOptions::cert_file and key_file"};

Status validate_token(const std::string& token) {
  const bool visible = std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (visible) return {};
  return Status::of_field("token", "must be visible ASCII characters without spaces.");
}

}  // namespace

class SharedLimiter::Impl {
 public:
  Impl(client::Connector connector, std::size_t max_idle) : pool_(std::move(connector), max_idle) {}

  void close() { pool_.close(); }

  /// Asks, and gives the JSON of an answer with status 200 to `use`, which says whether that is what was asked for.
  template <typename Use>
  Status ask(const Request& request, bool repeatable, const Use& use) {
    Result<Answer> answer = pool_.call(request, repeatable);
    if (!answer.ok()) return answer.status();
    if (answer->status != 200) return refused(*answer);
    boost::system::error_code error;
    const json::value value = json::parse({answer->body.data(), answer->body.size()}, error);
    if (!error && use(value)) return {};
    return Status(Code::kUnavailable, "The answer of " + name() + " is not what a Flint server answers. Check " +
                                          std::string(kNames.server) + ".");
  }

  template <typename Use>
  Status post(std::string_view path, const Result<std::string>& body, bool repeatable, const Use& use) {
    if (!body.ok()) return body.status();
    return ask({.verb = Verb::kPost, .path = path, .query = {}, .body = *body}, repeatable, use);
  }

  /// `{"ok":true}` is all that there is to say.
  Status done(const Request& request, bool repeatable) {
    return ask(request, repeatable, [](const json::value& value) {
      client::Fields fields(value);
      return fields.truth("ok");
    });
  }

  Status post_done(std::string_view path, const Result<std::string>& body, bool repeatable) {
    if (!body.ok()) return body.status();
    return done({.verb = Verb::kPost, .path = path, .query = {}, .body = *body}, repeatable);
  }

  /// An array, each element of which `fits`.
  template <typename Element, typename Fits>
  Result<std::vector<Element>> get_array(std::string_view path, std::string_view query, const Fits& fits) {
    std::vector<Element> elements;
    Status status =
        ask({.verb = Verb::kGet, .path = path, .query = query, .body = {}}, true, [&](const json::value& value) {
          elements.clear();
          return client::Fields::read_array<Element>(value, client::read, &elements) &&
                 std::all_of(elements.begin(), elements.end(), fits);
        });
    if (!status.ok()) return status;
    return elements;
  }

 private:
  [[nodiscard]] const std::string& name() const { return pool_.connector().endpoint().text; }

  [[nodiscard]] Status refused(const Answer& answer) const {
    constexpr int kUnauthorized = 401;
    if (std::optional<Status> said = client::refusal(answer)) {
      return answer.status == kUnauthorized ? said->advised("Give the server's token in SharedOptions::token.") : *said;
    }
    const std::string advice = client::advice_on_stranger(answer, kNames);
    return {Code::kUnavailable, "The answer of " + name() + " was HTTP " + std::to_string(answer.status) +
                                    " without a Flint error." +
                                    (advice.empty() ? " Check " + std::string(kNames.server) + "." : advice)};
  }

  client::ConnectionPool pool_;
};

Result<std::unique_ptr<SharedLimiter>> SharedLimiter::open(std::string_view server, const SharedOptions& options) {
  Result<client::Endpoint> endpoint = client::parse_server_url(server);
  if (!endpoint.ok()) return endpoint.status();
  if (options.timeout < std::chrono::milliseconds(1) || options.timeout > kMaxTimeout) {
    return Status::of_field("timeout", "must be from 1 ms to a day.");
  }
  if (Status status = validate_token(options.token); !status.ok()) return status;
  Result<client::Connector> connector =
      client::Connector::make(std::move(*endpoint), {.token = options.token,
                                                     .timeout = options.timeout,
                                                     .tls = {options.ca_file, options.cert_file, options.key_file},
                                                     .names = kNames});
  if (!connector.ok()) return connector.status();
  auto impl = std::make_unique<Impl>(std::move(*connector), options.max_idle_connections);
  return std::unique_ptr<SharedLimiter>(new SharedLimiter(std::move(impl)));
}

SharedLimiter::SharedLimiter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SharedLimiter::~SharedLimiter() = default;
void SharedLimiter::close() { impl_->close(); }

Status SharedLimiter::limit(std::string_view key, const Limit& limit, const LimitOptions& options) {
  return impl_->post_done("/v1/limits", client::limit_body(key, limit, options), true);
}

Result<Decision> SharedLimiter::check(std::string_view key, Units cost) { return check(key, cost, {}); }

Result<Decision> SharedLimiter::check(std::string_view key, Units cost, const CheckOptions& options) {
  const Result<std::string> body = client::check_body({.key = key,
                                                       .cost = cost,
                                                       .limit = options.limit ? &*options.limit : nullptr,
                                                       .dry_run = options.dry_run,
                                                       .request_id = options.request_id});
  Decision decision;
  Status status =
      impl_->post("/v1/check", body, options.dry_run || !options.request_id.empty(), [&](const json::value& value) {
        decision = {};
        return client::read(value, &decision) && decision.key == key && decision.cost == cost;
      });
  if (!status.ok()) return status;
  return decision;
}

Result<CheckAllResult> SharedLimiter::check_all(std::span<const CheckItem> items, const CheckAllOptions& options) {
  CheckAllResult result;
  const auto fits = [&] {
    const std::size_t decided = result.results.size();
    if (decided > items.size() || (result.allowed && decided != items.size())) return false;
    for (std::size_t i = 0; i < decided; ++i) {
      if (result.results[i].key != items[i].key || result.results[i].cost != items[i].cost) return false;
    }
    return true;
  };
  Status status = impl_->post("/v1/check-all", client::check_all_body(items, options),
                              options.dry_run || !options.request_id.empty(), [&](const json::value& value) {
                                result = {};
                                return client::read(value, &result) && fits();
                              });
  if (!status.ok()) return status;
  return result;
}

Result<std::vector<Result<Decision>>> SharedLimiter::check_batch(std::span<const BatchCheck> checks) {
  // The server judges each check by itself; what cannot be sent to it is judged here.
  std::vector<Result<Decision>> results(checks.size(), Result<Decision>(Decision{}));
  std::vector<BatchCheck> sent;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < checks.size(); ++i) {
    if (Result<std::string> alone = client::check_body(checks[i]); !alone.ok()) {
      results[i] = alone.status();
      continue;
    }
    sent.push_back(checks[i]);
    places.push_back(i);
  }
  const bool repeatable = std::all_of(
      sent.begin(), sent.end(), [](const BatchCheck& check) { return check.dry_run || !check.request_id.empty(); });
  const auto use = [&](const json::value& value) {
    const client::Fields fields(value);
    const json::value* array = fields.any("results");
    if (array == nullptr || !array->is_array() || array->get_array().size() != sent.size()) return false;
    for (std::size_t i = 0; i < sent.size(); ++i) {
      Result<Decision> result{Decision{}};
      if (!client::read(array->get_array()[i], &result)) return false;
      if (result.ok() && (result->key != sent[i].key || result->cost != sent[i].cost)) return false;
      results[places[i]] = std::move(result);
    }
    return true;
  };
  Status status = impl_->post("/v1/check-batch", client::check_batch_body(sent), repeatable, use);
  if (!status.ok()) return status;
  return results;
}

Result<LimitStatus> SharedLimiter::status(std::string_view key) {
  const Result<std::string> path = client::key_path("/v1/limits/", key);
  if (!path.ok()) return path.status();
  LimitStatus found;
  Status status =
      impl_->ask({.verb = Verb::kGet, .path = *path, .query = {}, .body = {}}, true, [&](const json::value& value) {
        found = {};
        return client::read(value, &found) && found.key == key;
      });
  if (!status.ok()) return status;
  return found;
}

Result<std::vector<LimitStatus>> SharedLimiter::list(const ListQuery& query) {
  if (!base::is_valid_utf8(query.prefix)) return Status::of_field("prefix", "must be valid UTF-8.");
  if (!base::is_valid_utf8(query.after)) return Status::of_field("after", "must be valid UTF-8.");
  std::vector<LimitStatus> all;
  std::string after(query.after);
  while (all.size() < query.max_rows) {
    const std::size_t most = std::min(kPage, query.max_rows - all.size());
    std::string arguments = "limit=" + std::to_string(most);
    if (!query.prefix.empty()) arguments += "&prefix=" + client::percent_encoded(query.prefix);
    if (!after.empty()) arguments += "&after=" + client::percent_encoded(after);
    if (query.keys) arguments += "&keys=true";
    // In order, so that a list of a stranger ends.
    const auto fits = [&, last = after](const LimitStatus& row) mutable {
      const bool follows = row.key > last && row.key.starts_with(query.prefix);
      last = row.key;
      return follows;
    };
    Result<std::vector<LimitStatus>> page = impl_->get_array<LimitStatus>("/v1/limits", arguments, fits);
    if (!page.ok()) return page;
    const bool whole = page->size() < most;
    if (!page->empty()) after = page->back().key;
    std::move(page->begin(), page->end(), std::back_inserter(all));
    if (whole) break;
  }
  return all;
}

Status SharedLimiter::reset(std::string_view key) {
  return impl_->post_done("/v1/reset", client::key_body(key), false);
}

Result<std::uint64_t> SharedLimiter::reset_prefix(std::string_view prefix) {
  std::uint64_t count = 0;
  Status status = impl_->post("/v1/reset-prefix", client::prefix_body(prefix), false, [&](const json::value& value) {
    client::Fields fields(value);
    count = fields.count("reset");
    return fields.ok();
  });
  if (!status.ok()) return status;
  return count;
}

Status SharedLimiter::remove(std::string_view key) {
  const Result<std::string> path = client::key_path("/v1/limits/", key);
  if (!path.ok()) return path.status();
  // Not repeatable: what was deleted the first time is not found the second time.
  return impl_->done({.verb = Verb::kDelete, .path = *path, .query = {}, .body = {}}, false);
}

Result<std::uint64_t> SharedLimiter::remove_prefix(std::string_view prefix) {
  if (!base::is_valid_utf8(prefix)) return Status::of_field("prefix", "must be valid UTF-8.");
  const std::string query = "prefix=" + client::percent_encoded(prefix);
  std::uint64_t count = 0;
  Status status = impl_->ask({.verb = Verb::kDelete, .path = "/v1/limits", .query = query, .body = {}}, false,
                             [&](const json::value& value) {
                               client::Fields fields(value);
                               count = fields.count("deleted");
                               return fields.ok();
                             });
  if (!status.ok()) return status;
  return count;
}

Result<std::vector<Event>> SharedLimiter::history(std::string_view key, std::size_t limit) {
  const Result<std::string> path = client::key_path("/v1/history/", key);
  if (!path.ok()) return path.status();
  return impl_->get_array<Event>(*path, "limit=" + std::to_string(limit), [](const Event&) { return true; });
}

Result<std::vector<LimitStatus>> SharedLimiter::top(TopBy by, std::size_t limit) {
  const std::string query =
      std::string("by=") + (by == TopBy::kDenied ? "denied" : "allowed") + "&limit=" + std::to_string(limit);
  return impl_->get_array<LimitStatus>("/v1/top", query, [](const LimitStatus&) { return true; });
}

Status SharedLimiter::compact() { return impl_->post_done("/v1/log/compact", std::string("{}"), true); }

Status SharedLimiter::flush() { return impl_->post_done("/v1/log/flush", std::string("{}"), true); }

Status SharedLimiter::health() {
  return impl_->done({.verb = Verb::kGet, .path = "/v1/health", .query = {}, .body = {}}, true);
}

Result<Decision> acquire(SharedLimiter& limiter, std::string_view key, Units cost, const AcquireOptions& options) {
  CheckOptions check{.limit = options.limit};
  return base::acquire(
      [&](bool dry_run) {
        check.dry_run = dry_run;
        return limiter.check(key, cost, check);
      },
      options.timeout);
}

}  // namespace flint
