#include "flint/shared_limiter.h"

#include <algorithm>
#include <utility>

#include "base/acquire.h"
#include "base/utf8.h"
#include "client/answers.h"
#include "client/requests.h"
#include "client/shared_impl.h"

namespace flint {
namespace {

using client::Verb;
namespace json = client::json;

constexpr std::chrono::milliseconds kMaxTimeout{86'400'000};
/// A page fits into what a connection takes, with the longest keys and eight windows each.
constexpr std::size_t kPage = 5'000;

Status validate_token(const std::string& token) {
  const bool visible = std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (visible) return {};
  return Status::of_field("token", "must be visible ASCII characters without spaces.");
}

}  // namespace

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
                                                     .names = client::kSharedNames});
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
  Status status = impl_->post("/v1/check-all", client::check_all_body(items, options),
                              options.dry_run || !options.request_id.empty(), [&](const json::value& value) {
                                result = {};
                                return client::read(value, &result) && client::fits(result, items);
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
