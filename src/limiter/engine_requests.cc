#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/assert.h"
#include "limiter/engine.h"

/// What requests are, besides checks: batches of them, and those that come with an id.
namespace flint::limiter {
namespace {

/// There was no room for a record, or no descriptor for a new segment: denials, and checks after it, may be answered.
bool is_of_storage_now(Code code) noexcept { return code == Code::kDiskFull || code == Code::kIoError; }

/// A failure that leaves the other checks of a batch as they are.
bool concerns_one_check(Code code) noexcept {
  return code == Code::kInvalidArgument || code == Code::kLimitNotFound || code == Code::kRequestIdConflict ||
         is_of_storage_now(code);
}

}  // namespace

/// A hold of the mutex takes as long as that of the largest check_all, so that a batch of any size delays other callers
/// no longer than a check_all does.
Result<Deferred<std::vector<Result<Decision>>>> Engine::check_batch(std::span<const BatchCheck> checks) {
  if (checks.size() > kMaxBatchChecks) {
    return Status::of_field("checks", fmt::format("must be at most {}, not {}.", kMaxBatchChecks, checks.size()));
  }
  Deferred<std::vector<Result<Decision>>> answer{.value = {}, .ticket = {}};
  answer.value.reserve(checks.size());
  do {
    if (Status open = check_open(); !open.ok()) return open;
    const auto some = checks.first(std::min(checks.size(), kMaxCheckAllItems));
    checks = checks.subspan(some.size());
    std::vector<Result<RememberedRequest>> names = named(some);
    base::MutexLock lock(mutex_);
    for (std::size_t i = 0; i < some.size(); ++i) {
      Result<RememberedRequest>* const name = some[i].request_id.empty() ? nullptr : &names[i];
      Result<Deferred<Decision>> decided = name != nullptr && !name->ok()
                                               ? Result<Deferred<Decision>>(name->status())
                                               : check_one(some[i], name == nullptr ? nullptr : &**name);
      if (!decided.ok() && !concerns_one_check(decided.code())) return decided.status();
      if (!decided.ok()) {
        answer.value.emplace_back(decided.status());
        continue;
      }
      answer.ticket.seq = std::max(answer.ticket.seq, decided->ticket.seq);
      answer.value.emplace_back(std::move(decided->value));
    }
  } while (!checks.empty());
  const auto failed = [](const Result<Decision>& one) { return is_of_storage_now(one.code()); };
  if (!answer.value.empty() && std::all_of(answer.value.begin(), answer.value.end(), failed)) {
    return answer.value.front().status();
  }
  return answer;
}

/// The digest of the request is made of a text in which no two requests are the same: keys come with their length. It
/// is made before the mutex is taken, since it takes longer than a check.
Result<RememberedRequest> Engine::named(std::string_view request_id, bool dry_run, Asked asked,
                                        std::span<const CheckItem> items) {
  if (Status valid = validate_request_id(request_id); !valid.ok()) return valid;
  if (dry_run) {
    return Status::of_field("request_id",
                            "cannot come with dry_run: a dry run has no effect that a repeat could double.");
  }
  fmt::memory_buffer text;
  text.push_back(static_cast<char>(asked));
  for (const CheckItem& item : items) {
    const std::string limit = item.limit == nullptr ? "" : format_limit(normalized(*item.limit));
    fmt::format_to(std::back_inserter(text), "{}:{}{};{};", item.key.size(), item.key, item.cost, limit);
  }
  return RememberedRequest{.id = digest_of(request_id), .request = digest_of({text.data(), text.size()})};
}

Result<RememberedRequest> Engine::named(const BatchCheck& one) {
  if (one.limit != nullptr) {
    if (Status valid = validate_limit(*one.limit); !valid.ok()) return valid;
  }
  const CheckItem item{.key = one.key, .cost = one.cost, .limit = one.limit};
  return named(one.request_id, one.dry_run, Asked::kCheck, {&item, 1});
}

std::vector<Result<RememberedRequest>> Engine::named(std::span<const BatchCheck> checks) {
  const auto has_id = [](const BatchCheck& one) { return !one.request_id.empty(); };
  std::vector<Result<RememberedRequest>> names;
  if (std::none_of(checks.begin(), checks.end(), has_id)) return names;
  names.reserve(checks.size());
  for (const BatchCheck& one : checks) names.push_back(has_id(one) ? named(one) : RememberedRequest{});
  return names;
}

Result<const RememberedRequest*> Engine::first_of(const RememberedRequest& once, const Moment& at) {
  const RememberedRequest* const first = state_.requests.find(once.id, at.time);
  if (first == nullptr || first->request == once.request) return first;
  return Status(
      Code::kRequestIdConflict,
      "request_id came with another key, cost or limit in the last 10 minutes: give each request an id of its "
      "own.");
}

Decision Engine::first_decision(const RememberedRequest& first, std::size_t item, std::string_view key, Units cost) {
  FLINT_ASSERT(item < first.verdicts.size());
  const RememberedVerdict& verdict = first.verdicts[item];
  return {.key = std::string(key),
          .allowed = true,
          .cost = cost,
          .capacity = verdict.capacity,
          .remaining = verdict.remaining,
          .reset_at = shown_reset(first.at, verdict.reset_after),
          .reset_after_ms = ceil_ms(verdict.reset_after),
          .retry_after_ms = 0,
          .algorithm = verdict.algorithm,
          .keys_full = verdict.keys_full,
          .would_deny = verdict.would_deny};
}

Deferred<CheckAllResult> Engine::first_result(const RememberedRequest& first, std::span<const CheckItem> items,
                                              Ticket ticket) {
  Deferred<CheckAllResult> answer{.value = {.allowed = true, .denied_key = {}, .results = {}}, .ticket = ticket};
  for (std::size_t i = 0; i < items.size(); ++i) {
    answer.value.results.push_back(first_decision(first, i, items[i].key, items[i].cost));
  }
  return answer;
}

void Engine::note_verdicts(RememberedRequest& once, std::span<const Item> items) {
  for (const Item& item : items) {
    const algorithm::WindowOutcomes* const each = item.outcome.windows;
    const Limit& shown = each == nullptr ? *item.limit : item.limit->window(each->shown);
    once.verdicts.push_back({.capacity = shown.capacity(),
                             .remaining = item.outcome.remaining,
                             .reset_after = item.outcome.reset_after,
                             .algorithm = shown.algorithm,
                             .keys_full = item.is_beyond_most_keys(),
                             .would_deny = item.mode == Mode::kShadow ? std::optional(item.would_deny) : std::nullopt});
  }
}

void Engine::remember(RememberedRequest& once, storage::Seq seq, const Moment& at) {
  once.seq = seq;
  once.at = at;
  state_.requests.remember(std::move(once));
}

}  // namespace flint::limiter
