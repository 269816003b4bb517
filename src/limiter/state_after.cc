#include "limiter/state_after.h"

#include <algorithm>

#include "base/assert.h"

namespace flint::limiter {
namespace {

using algorithm::FixedWindow;
using algorithm::SlidingLog;
using algorithm::TokenBucket;

std::uint64_t age(Time start, Time now) noexcept {
  FLINT_ASSERT(start <= now);
  return static_cast<std::uint64_t>((now - start).count());
}

bool restore_sliding(const StateAfter& after, const Limit& limit, Units cost, Time at, algorithm::State& state) {
  if (after.second > 1 || after.first > kMaxUnits) return false;
  const bool replaced = after.second == 1;
  if (replaced) state = SlidingLog::fresh();
  auto* log = std::get_if<SlidingLog>(&state);
  if (log == nullptr) return false;
  // Without a cost it is a changed limit: units beyond its rate were dropped.
  if (!replaced && cost == 0) log->keep_newest(after.first, at, limit.per);
  const Units added =
      replaced ? after.first : std::min(cost, kMaxUnits - std::min(kMaxUnits, log->spent(at, limit.per)));
  if (added > 0) log->append(at, added, limit.per);
  const Units spent = log->spent(at, limit.per);
  // A version that did not bound the runs wrote how much was spent without merging them.
  return spent == after.first || (log->size() == SlidingLog::kMostRuns && spent > after.first);
}

}  // namespace

StateAfter describe_state(const algorithm::State& state, const Limit& limit, Time now) {
  if (const auto* bucket = std::get_if<TokenBucket>(&state)) {
    FLINT_ASSERT(bucket->updated_at == now);
    return {limit.algorithm, bucket->used, bucket->fraction};
  }
  if (const auto* window = std::get_if<FixedWindow>(&state)) {
    return {limit.algorithm, age(window->start, now), window->count};
  }
  return {limit.algorithm, std::get<SlidingLog>(state).spent(now, limit.per), 1};
}

StateAfter describe_consumed(const algorithm::State& state, const Limit& limit, Units cost, Time now,
                             algorithm::State& next) {
  if (const auto* log = std::get_if<SlidingLog>(&state)) {
    return {limit.algorithm, log->spent(now, limit.per) + cost, 0};
  }
  next = state;
  algorithm::consume(next, limit, cost, now);
  return describe_state(next, limit, now);
}

bool restore_state(const StateAfter& after, const Limit& limit, Units cost, Time at, algorithm::State& state) {
  if (after.algorithm != limit.algorithm) return false;
  switch (after.algorithm) {
    case Algorithm::kTokenBucket:
      state = TokenBucket{at, after.first, after.second};
      return algorithm::is_valid(state, limit);
    case Algorithm::kFixedWindowCounter:
      if (after.first > static_cast<std::uint64_t>(at.time_since_epoch().count())) return false;
      state = FixedWindow{at - Nanos(static_cast<std::int64_t>(after.first)), after.second};
      return algorithm::is_valid(state, limit);
    case Algorithm::kSlidingWindowLog:
      return restore_sliding(after, limit, cost, at, state);
  }
  return false;
}

bool keeps_runs(const Limit& from, const Limit& to) noexcept {
  return from.algorithm == Algorithm::kSlidingWindowLog && to.algorithm == from.algorithm && from.per == to.per;
}

}  // namespace flint::limiter
