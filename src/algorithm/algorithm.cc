#include "algorithm/algorithm.h"

#include <algorithm>

#include "base/assert.h"

namespace flint::algorithm {
namespace {

[[nodiscard]] bool matches(const State& state, const Limit& limit) noexcept {
  switch (limit.algorithm) {
    case Algorithm::kTokenBucket:
      return std::holds_alternative<TokenBucket>(state);
    case Algorithm::kSlidingWindowLog:
      return std::holds_alternative<SlidingLog>(state);
    case Algorithm::kFixedWindowCounter:
      return std::holds_alternative<FixedWindow>(state);
  }
  return false;
}

/// What `state` counts against its limit, as one run at `now` or at what the state has seen after that.
[[nodiscard]] Run in_use(const TokenBucket& bucket, const Limit& limit, Time now) noexcept {
  const TokenBucket current = bucket.refilled(limit, now);
  return {current.updated_at, current.used};
}
[[nodiscard]] Run in_use(const SlidingLog& log, const Limit& limit, Time now) noexcept {
  return {log.empty() ? now : std::max(now, log.last_time()), log.spent(now, limit.per)};
}
[[nodiscard]] Run in_use(const FixedWindow& window, const Limit& limit, Time now) noexcept {
  return {std::max(now, window.start), window.current(now, limit.per).count};
}

/// A state in which just `run` is in use.
[[nodiscard]] State with_in_use(const Limit& limit, Run run) {
  switch (limit.algorithm) {
    case Algorithm::kTokenBucket:
      return TokenBucket{run.time, run.cost, 0};
    case Algorithm::kSlidingWindowLog: {
      SlidingLog log = SlidingLog::fresh();
      if (run.cost > 0) log.append(run.time, run.cost, limit.per);
      return log;
    }
    case Algorithm::kFixedWindowCounter:
      return FixedWindow{run.time, run.cost};
  }
  base::assertion_failed("the algorithm of a limit is one of Algorithm", __FILE__, __LINE__);
}

/// No more in use than `limit` allows; entries and window stay otherwise.
[[nodiscard]] State cut(State state, const Limit& limit, Time now) {
  if (auto* log = std::get_if<SlidingLog>(&state)) log->keep_newest(limit.rate, now, limit.per);
  if (auto* window = std::get_if<FixedWindow>(&state)) window->count = std::min(window->count, limit.rate);
  return state;
}

}  // namespace

State fresh(const Limit& limit, Time now) { return with_in_use(limit, {now, 0}); }

Verdict decide(const State& state, const Limit& limit, Units cost, Time now) {
  FLINT_ASSERT(matches(state, limit));
  return std::visit([&](const auto& s) { return s.decide(limit, cost, now); }, state);
}

void consume(State& state, const Limit& limit, Units cost, Time now) {
  FLINT_ASSERT(matches(state, limit));
  std::visit([&](auto& s) { s.consume(limit, cost, now); }, state);
}

View view(const State& state, const Limit& limit, Time now) {
  FLINT_ASSERT(matches(state, limit));
  return std::visit([&](const auto& s) { return s.view(limit, now); }, state);
}

State reconfigure(const State& state, const Limit& from, const Limit& to, Time now) {
  FLINT_ASSERT(matches(state, from));
  if (from.algorithm == to.algorithm) {
    if (const auto* bucket = std::get_if<TokenBucket>(&state)) return bucket->reconfigured(from, to, now);
    if (from.per == to.per) return cut(state, to, now);
  }
  Run run = std::visit([&](const auto& s) { return in_use(s, from, now); }, state);
  run.cost = std::min(run.cost, to.capacity());
  return with_in_use(to, run);
}

bool is_valid(const State& state, const Limit& limit) noexcept {
  if (!matches(state, limit)) return false;
  if (const auto* bucket = std::get_if<TokenBucket>(&state)) return bucket->is_valid(limit);
  if (const auto* window = std::get_if<FixedWindow>(&state)) return window->is_valid();
  return true;
}

}  // namespace flint::algorithm
