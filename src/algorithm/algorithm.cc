#include "algorithm/algorithm.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/calendar.h"

namespace flint::algorithm {
namespace {

[[nodiscard]] State state_of(WindowState window) {
  return std::visit([](auto& state) -> State { return std::move(state); }, window);
}

/// Calls `visit` with the state of one window and with its limit.
template <typename AnyState, typename Visit>
auto with_window(AnyState& state, const Limit& limit, std::size_t index, const Visit& visit) {
  const Limit& window = limit.window(index);
  const auto apply = [&](auto& s) { return visit(s, window); };
  if (auto* windows = std::get_if<Windows>(&state)) return with_state(windows->states[index], window, apply);
  return with_state(state, window, apply);
}

[[nodiscard]] Run run_in_use(const State& state, const Limit& limit, std::size_t index, Time now) {
  return with_window(state, limit, index, [&](const auto& s, const Limit& window) { return s.in_use(window, now); });
}

/// The window with which the window `to` of another limit begins.
[[nodiscard]] std::size_t source_of(const State& state, const Limit& from, const Limit& to, Time now) {
  std::size_t most = 0;
  for (std::size_t i = 0; i < from.window_count(); ++i) {
    if (base::is_same_window(from.window(i), to)) return i;
    if (i > 0 && run_in_use(state, from, i, now).cost > run_in_use(state, from, most, now).cost) most = i;
  }
  return most;
}

[[nodiscard]] bool stays(const State& state, const Limit& from, std::size_t source, const Limit& to) {
  return with_window(state, from, source, [&](const auto& s, const Limit& window) {
    return window.algorithm == to.algorithm && s.stays(window, to);
  });
}

[[nodiscard]] WindowState succeed_window(const State& state, const Limit& from, const Limit& to, Time now) {
  const Run run = run_in_use(state, from, source_of(state, from, to, now), now);
  return holding({run.time, std::min(run.cost, to.capacity())}, to);
}

[[nodiscard]] WindowState reconfigure_window(const State& state, const Limit& from, const Limit& to, Time now) {
  const std::size_t source = source_of(state, from, to, now);
  if (!stays(state, from, source, to)) return succeed_window(state, from, to, now);
  return with_window(state, from, source, [&](const auto& s, const Limit& window) -> WindowState {
    return s.reconfigured(window, to, now);
  });
}

/// The state of `limit` whose windows `make` makes, from the limit of each.
template <typename Make>
[[nodiscard]] State make_state(const Limit& limit, const Make& make) {
  if (limit.further.empty()) return state_of(make(limit));
  Windows windows;
  for (std::size_t i = 0; i < limit.window_count(); ++i) windows.states.push_back(make(limit.window(i)));
  return windows;
}

/// Of a limit that was changed and has or had several windows: the runs of a window may go on in another one.
[[nodiscard]] bool restore_changed(State& state, const RecordedWindows& after, const Limit& limit, Time at) {
  Windows next;
  for (std::size_t i = 0; i < after.count; ++i) {
    WindowState& window = next.states.emplace_back();
    if (after.sources[i] > 0) {
      const SlidingLog* runs = log_of(std::as_const(state), after.sources[i] - 1U);
      if (runs == nullptr) return false;
      window = *runs;
    }
    if (!restore_window(window, after.states[i], limit.window(i), 0, at)) return false;
  }
  state = after.count == 1 ? state_of(std::move(next.states.front())) : State(std::move(next));
  return true;
}

[[nodiscard]] bool restore_windows(State& state, const RecordedWindows& after, const Limit& limit, Units cost,
                                   Time at) {
  if (after.count != limit.window_count()) return false;
  if (cost == 0) return restore_changed(state, after, limit, at);
  auto* windows = std::get_if<Windows>(&state);
  if (windows == nullptr || windows->states.size() != after.count) return false;
  for (std::size_t i = 0; i < after.count; ++i) {
    if (after.sources[i] > 0) return false;
    if (!restore_window(windows->states[i], after.states[i], limit.window(i), cost, at)) return false;
  }
  return true;
}

}  // namespace

State fresh(const Limit& limit, Time now) {
  if (limit.further.empty()) {
    return with_type_of(limit, [&]<typename Type>(std::type_identity<Type>) -> State {
      return Type::holding({now, 0}, limit);
    });
  }
  return make_state(limit, [&](const Limit& window) { return holding({now, 0}, window); });
}

Outcome decide(const State& state, const Limit& limit, Units cost, Now now, WindowSpace& space) {
  if (const auto* windows = std::get_if<Windows>(&state)) [[unlikely]]
    return windows->decide(limit, cost, now, space);
  return decide(state, limit, cost, now);
}

Outcome decide(const State& state, const Limit& limit, Units cost, Now now) {
  return with_state(state, limit, [&](const auto& s) { return s.decide(limit, cost, now); });
}

Outcome charged(const State& state, const Limit& limit, Units cost, Now now, WindowSpace& space) {
  if (const auto* windows = std::get_if<Windows>(&state)) return windows->charged(limit, cost, now, space);
  return with_state(state, limit, [&](const auto& s) { return s.charged(limit, cost, now); });
}

Units most_charged(const State& state, const Limit& limit, Units cost, Time now) {
  if (std::holds_alternative<Windows>(state)) return cost;
  const Units used = with_state(state, limit, [&](const auto& s) { return s.in_use(limit, now).cost; });
  return std::min(cost, kMaxUnits - std::min(kMaxUnits, used));
}

void consume(State& state, const Limit& limit, Units cost, Now now, const Outcome& allowed) {
  if (auto* windows = std::get_if<Windows>(&state)) [[unlikely]]
    return windows->consume(limit, now, allowed);
  with_state(state, limit, [&](auto& s) { s.consume(limit, cost, now, allowed); });
}

Units in_use(const State& state, const Limit& limit, std::size_t window, Time now) {
  return run_in_use(state, limit, window, now).cost;
}

Amount most_given_back(const State& state, const Limit& limit, std::size_t window, Time now) {
  return with_window(state, limit, window, [&]<typename Type>(const Type& s, const Limit& of) -> Amount {
    if constexpr (std::is_same_v<Type, TokenBucket>) return s.exactly_in_use(of, now);
    return ~Amount{0};
  });
}

Amount amount_of_unit(const Limit& limit, std::size_t window) noexcept {
  const Limit& of = limit.window(window);
  return of.algorithm == Algorithm::kTokenBucket ? static_cast<Amount>(of.per.count()) : 1;
}

Outcome given_back(const State& state, const Limit& limit, std::span<Amount> amounts, Time charged_at, Now now,
                   WindowSpace& space) {
  FLINT_ASSERT(amounts.size() == limit.window_count());
  const auto outcome = [&](std::size_t window) {
    return with_window(state, limit, window, [&]<typename Type>(const Type& s, const Limit& of) -> Outcome {
      if constexpr (std::is_same_v<Type, SlidingLog>) {
        Units units = whole_units(amounts[window]);
        const RecordedState after = s.given_back(of, units, charged_at, now);
        amounts[window] = units;
        const View view = s.view_without(of, units, charged_at, now);
        return {{true, view.remaining, view.reset_after, Nanos::zero()}, after};
      } else {
        Type next = s;
        amounts[window] = next.give_back(of, amounts[window], charged_at, now);
        const View view = next.view(of, now);
        return {{true, view.remaining, view.reset_after, Nanos::zero()}, next.describe(of, now)};
      }
    });
  };
  if (limit.further.empty()) return outcome(0);
  WindowOutcomes& each = space.add();
  each.after.count = static_cast<std::uint8_t>(limit.window_count());
  each.shown = 0;
  for (std::size_t i = 0; i < limit.window_count(); ++i) {
    const Outcome one = outcome(i);
    each.verdicts[i] = one;
    each.after.states[i] = one.after;
    each.after.sources[i] = static_cast<std::uint8_t>(log_of(state, i) == nullptr ? 0 : i + 1);
    if (one.remaining < each.verdicts[each.shown].remaining) each.shown = static_cast<std::uint8_t>(i);
  }
  return {each.verdicts[each.shown], {.windows = &each.after}, &each};
}

bool keeps_units(const State& state, const Limit& from, const Limit& to, Time now) {
  if (!from.further.empty() || !to.further.empty()) return false;
  return stays(state, from, 0, to) && in_use(state, from, 0, now) <= to.capacity();
}

View view(const State& state, const Limit& limit, Now now) {
  if (const auto* windows = std::get_if<Windows>(&state)) {
    WindowSpace space;
    const WindowOutcomes& each = windows->view(limit, now, space);
    return {each.verdicts[each.shown].remaining, each.verdicts[each.shown].reset_after};
  }
  return with_state(state, limit, [&](const auto& s) { return s.view(limit, now); });
}

const WindowOutcomes* view_windows(const State& state, const Limit& limit, Now now, WindowSpace& space) {
  const auto* windows = std::get_if<Windows>(&state);
  return windows == nullptr ? nullptr : &windows->view(limit, now, space);
}

State reconfigure(const State& state, const Limit& from, const Limit& to, Time now) {
  return make_state(to, [&](const Limit& window) { return reconfigure_window(state, from, window, now); });
}

State succeed(const State& state, const Limit& from, const Limit& to, Time now) {
  return make_state(to, [&](const Limit& window) { return succeed_window(state, from, window, now); });
}

bool is_fresh(const State& state, const Limit& limit, Now now) {
  if (const auto* windows = std::get_if<Windows>(&state)) return windows->is_fresh(limit, now);
  return with_state(state, limit, [&](const auto& s) { return is_fresh_window(s, limit, now); });
}

bool is_valid(const State& state, const Limit& limit) noexcept {
  if (!limit.further.empty()) {
    const auto* windows = std::get_if<Windows>(&state);
    return windows != nullptr && windows->is_valid(limit);
  }
  return with_type_of(limit, [&]<typename Type>(std::type_identity<Type>) {
    const Type* matching = std::get_if<Type>(&state);
    return matching != nullptr && matching->is_valid(limit);
  });
}

RecordedState describe(const State& next, const Limit& limit, Time now, WindowSpace& space) {
  if (const auto* windows = std::get_if<Windows>(&next)) return windows->describe(limit, now, space);
  return with_state(next, limit, [&](const auto& s) { return s.describe(limit, now); });
}

RecordedState describe_reconfigured(const State& next, const State& before, const Limit& from, const Limit& to,
                                    Time now, WindowSpace& space) {
  const bool is_plain = from.further.empty() && to.further.empty();
  RecordedWindows& each = space.add().after;
  each.count = static_cast<std::uint8_t>(to.window_count());
  for (std::size_t i = 0; i < to.window_count(); ++i) {
    const std::size_t source = source_of(before, from, to.window(i), now);
    const SlidingLog* log = log_of(next, i);
    const bool kept = log != nullptr && stays(before, from, source, to.window(i));
    each.sources[i] = static_cast<std::uint8_t>(kept ? source + 1 : 0);
    each.states[i] =
        kept ? log->describe_kept(to.window(i), now)
             : with_window(next, to, i, [&](const auto& s, const Limit& window) { return s.describe(window, now); });
  }
  return is_plain ? each.states[0] : RecordedState{.windows = &each};
}

bool restore(State& state, const RecordedState& after, const Limit& limit, Units cost, Time at) {
  if (after.windows != nullptr) return restore_windows(state, *after.windows, limit, cost, at);
  return limit.further.empty() && restore_window(state, after, limit, cost, at);
}

void encode(base::Writer& out, const State& state) {
  std::visit([&](const auto& s) { s.encode(out); }, state);
}

bool decode(base::Reader& in, const Limit& limit, State& state) {
  if (!limit.further.empty()) return state.emplace<Windows>().decode(in, limit);
  return with_type_of(limit,
                      [&]<typename Type>(std::type_identity<Type>) { return state.emplace<Type>().decode(in, limit); });
}

SlidingLog* log_of(State& state, std::size_t window) noexcept {
  return const_cast<SlidingLog*>(log_of(std::as_const(state), window));
}

const SlidingLog* log_of(const State& state, std::size_t window) noexcept {
  if (const auto* windows = std::get_if<Windows>(&state)) {
    return window < windows->states.size() ? std::get_if<SlidingLog>(&windows->states[window]) : nullptr;
  }
  return window == 0 ? std::get_if<SlidingLog>(&state) : nullptr;
}

Time seen(const State& state, Time now) noexcept {
  return std::visit([&](const auto& s) { return s.seen(now); }, state);
}

}  // namespace flint::algorithm
