#include "algorithm/algorithm.h"

#include <algorithm>
#include <type_traits>

#include "base/assert.h"

namespace flint::algorithm {
namespace {

/// Calls `visit` with the type of the algorithm's states: the one switch over the algorithms.
template <typename Visit>
[[nodiscard]] auto with_type_of(Algorithm algorithm, const Visit& visit) {
  switch (algorithm) {
    case Algorithm::kTokenBucket:
      return visit(std::type_identity<TokenBucket>());
    case Algorithm::kSlidingWindowLog:
      return visit(std::type_identity<SlidingLog>());
    case Algorithm::kFixedWindowCounter:
      return visit(std::type_identity<FixedWindow>());
    case Algorithm::kSlidingWindowCounter:
      return visit(std::type_identity<SlidingCounter>());
  }
  base::assertion_failed("the algorithm of a limit is one of Algorithm", __FILE__, __LINE__);
}

/// Calls `visit` with the state itself, which is one of the limit's algorithm.
template <typename AnyState, typename Visit>
auto with_state(AnyState& state, const Limit& limit, const Visit& visit) {
  return with_type_of(limit.algorithm, [&]<typename Type>(std::type_identity<Type>) {
    auto* const matches = std::get_if<Type>(&state);
    FLINT_ASSERT(matches != nullptr);
    return visit(*matches);
  });
}

/// A state in which just `run` is in use.
[[nodiscard]] State holding(Run run, const Limit& limit) {
  return with_type_of(limit.algorithm,
                      [&]<typename Type>(std::type_identity<Type>) -> State { return Type::holding(run, limit); });
}

}  // namespace

State fresh(const Limit& limit, Time now) { return holding({now, 0}, limit); }

Outcome decide(const State& state, const Limit& limit, Units cost, Time now) {
  return with_state(state, limit, [&](const auto& s) { return s.decide(limit, cost, now); });
}

Outcome charged(const State& state, const Limit& limit, Units cost, Time now) {
  return with_state(state, limit, [&](const auto& s) { return s.charged(limit, cost, now); });
}

Units most_charged(const State& state, const Limit& limit, Units cost, Time now) {
  const Units used = with_state(state, limit, [&](const auto& s) { return s.in_use(limit, now).cost; });
  return std::min(cost, kMaxUnits - std::min(kMaxUnits, used));
}

void consume(State& state, const Limit& limit, Units cost, Time now, const Outcome& allowed) {
  with_state(state, limit, [&](auto& s) { s.consume(limit, cost, now, allowed); });
}

View view(const State& state, const Limit& limit, Time now) {
  return with_state(state, limit, [&](const auto& s) { return s.view(limit, now); });
}

State reconfigure(const State& state, const Limit& from, const Limit& to, Time now) {
  return with_state(state, from, [&](const auto& s) -> State {
    if (from.algorithm == to.algorithm && s.stays(from, to)) return s.reconfigured(from, to, now);
    return succeed(state, from, to, now);
  });
}

State succeed(const State& state, const Limit& from, const Limit& to, Time now) {
  const Run run = with_state(state, from, [&](const auto& s) { return s.in_use(from, now); });
  return holding({run.time, std::min(run.cost, to.capacity())}, to);
}

bool is_fresh(const State& state, const Limit& limit, Time now) {
  return view(state, limit, now).reset_after == Nanos::zero();
}

bool is_valid(const State& state, const Limit& limit) noexcept {
  return with_type_of(limit.algorithm, [&]<typename Type>(std::type_identity<Type>) {
    const Type* matching = std::get_if<Type>(&state);
    return matching != nullptr && matching->is_valid(limit);
  });
}

RecordedState describe(const State& next, const Limit& limit, Time now) {
  return with_state(next, limit, [&](const auto& s) { return s.describe(limit, now); });
}

RecordedState describe_reconfigured(const State& next, const Limit& from, const Limit& to, Time now) {
  const auto* log = std::get_if<SlidingLog>(&next);
  if (log != nullptr && from.algorithm == to.algorithm && SlidingLog::stays(from, to)) {
    return log->describe_kept(to, now);
  }
  return describe(next, to, now);
}

/// Only the runs of a sliding log are made from the state before: every other state is all in the record.
bool restore(State& state, const RecordedState& after, const Limit& limit, Units cost, Time at) {
  if (after.algorithm != limit.algorithm) return false;
  return with_type_of(limit.algorithm, [&]<typename Type>(std::type_identity<Type>) {
    auto* before = std::get_if<Type>(&state);
    if (before == nullptr && std::is_same_v<Type, SlidingLog> && after.second != 1) return false;
    return (before != nullptr ? *before : state.emplace<Type>()).restore(after, limit, cost, at);
  });
}

void encode(base::Writer& out, const State& state) {
  std::visit([&](const auto& s) { s.encode(out); }, state);
}

bool decode(base::Reader& in, const Limit& limit, State& state) {
  return with_type_of(limit.algorithm,
                      [&]<typename Type>(std::type_identity<Type>) { return state.emplace<Type>().decode(in, limit); });
}

Time seen(const State& state, Time now) noexcept {
  return std::visit([&](const auto& s) { return s.seen(now); }, state);
}

}  // namespace flint::algorithm
