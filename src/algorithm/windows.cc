#include "algorithm/windows.h"

#include <algorithm>

namespace flint::algorithm {
namespace {

/// Calls `visit` with each window's state and limit, and its index.
template <typename AnyWindows, typename Visit>
void for_each_window(AnyWindows& windows, const Limit& limit, const Visit& visit) {
  FLINT_ASSERT(windows.states.size() == limit.window_count());
  for (std::size_t i = 0; i < limit.window_count(); ++i) {
    const Limit& window = limit.window(i);
    with_state(windows.states[i], window, [&](auto& state) { visit(state, window, i); });
  }
}

std::uint8_t shown_of(const WindowOutcomes& each, std::size_t count, bool allowed) {
  std::size_t shown = count;
  for (std::size_t i = 0; i < count; ++i) {
    const Verdict& verdict = each.verdicts[i];
    if (!allowed && verdict.allowed) continue;
    const bool is_first = shown == count;
    if (is_first || (allowed ? verdict.remaining < each.verdicts[shown].remaining
                             : verdict.retry_after > each.verdicts[shown].retry_after)) {
      shown = i;
    }
  }
  return static_cast<std::uint8_t>(shown);
}

Outcome outcome_of(WindowOutcomes& each, std::size_t count, bool allowed) {
  each.after.count = static_cast<std::uint8_t>(count);
  each.after.sources = {};
  each.shown = shown_of(each, count, allowed);
  return {each.verdicts[each.shown], {.windows = &each.after}, &each};
}

}  // namespace

WindowOutcomes& WindowSpace::add() {
  if (used_ == outcomes_.size()) outcomes_.push_back(std::make_unique<WindowOutcomes>());
  return *outcomes_[used_++];
}

Windows Windows::fresh(const Limit& limit, Time now) {
  Windows windows;
  for (std::size_t i = 0; i < limit.window_count(); ++i) windows.states.push_back(holding({now, 0}, limit.window(i)));
  return windows;
}

Outcome Windows::decide(const Limit& limit, Units cost, Now now, WindowSpace& space) const {
  WindowOutcomes& each = space.add();
  bool allowed = true;
  for_each_window(*this, limit, [&](const auto& state, const Limit& window, std::size_t i) {
    const Outcome outcome = state.decide(window, cost, now);
    each.verdicts[i] = outcome;
    each.after.states[i] = outcome.after;
    each.costs[i] = cost;
    allowed = allowed && outcome.allowed;
  });
  if (allowed) return outcome_of(each, states.size(), true);
  for_each_window(*this, limit, [&](const auto& state, const Limit& window, std::size_t i) {
    if (!each.verdicts[i].allowed) return;
    const View view = state.view(window, now);
    each.verdicts[i] = {true, view.remaining, view.reset_after, Nanos::zero()};
  });
  return outcome_of(each, states.size(), false);
}

Outcome Windows::charged(const Limit& limit, Units cost, Now now, WindowSpace& space) const {
  WindowOutcomes& each = space.add();
  for_each_window(*this, limit, [&](const auto& state, const Limit& window, std::size_t i) {
    each.costs[i] = std::min(cost, kMaxUnits - std::min(kMaxUnits, state.in_use(window, now).cost));
    const Outcome outcome = state.charged(window, each.costs[i], now);
    each.verdicts[i] = outcome;
    each.after.states[i] = outcome.after;
  });
  return outcome_of(each, states.size(), true);
}

void Windows::consume(const Limit& limit, Now now, const Outcome& allowed) {
  FLINT_ASSERT(allowed.allowed && allowed.windows != nullptr);
  const WindowOutcomes& each = *allowed.windows;
  for_each_window(*this, limit, [&](auto& state, const Limit& window, std::size_t i) {
    state.consume(window, each.costs[i], now, {each.verdicts[i], each.after.states[i]});
  });
}

const WindowOutcomes& Windows::view(const Limit& limit, Now now, WindowSpace& space) const {
  WindowOutcomes& each = space.add();
  for_each_window(*this, limit, [&](const auto& state, const Limit& window, std::size_t i) {
    const View view = state.view(window, now);
    each.verdicts[i] = {true, view.remaining, view.reset_after, Nanos::zero()};
  });
  each.shown = shown_of(each, states.size(), true);
  return each;
}

bool Windows::is_fresh(const Limit& limit, Now now) const {
  bool fresh = true;
  for_each_window(*this, limit, [&](const auto& state, const Limit& window, std::size_t) {
    fresh = fresh && is_fresh_window(state, window, now);
  });
  return fresh;
}

bool Windows::is_valid(const Limit& limit) const noexcept {
  if (states.size() != limit.window_count()) return false;
  for (std::size_t i = 0; i < states.size(); ++i) {
    const Limit& window = limit.window(i);
    const bool valid = with_type_of(window, [&]<typename Type>(std::type_identity<Type>) {
      const auto* matching = std::get_if<Type>(&states[i]);
      return matching != nullptr && matching->is_valid(window);
    });
    if (!valid) return false;
  }
  return true;
}

RecordedState Windows::describe(const Limit& limit, Time now, WindowSpace& space) const {
  RecordedWindows& each = space.add().after;
  each.count = static_cast<std::uint8_t>(states.size());
  each.sources = {};
  for_each_window(*this, limit, [&](const auto& state, const Limit& window, std::size_t i) {
    each.states[i] = state.describe(window, now);
  });
  return {.windows = &each};
}

void Windows::encode(base::Writer& out) const {
  for (const WindowState& state : states) {
    std::visit([&](const auto& s) { s.encode(out); }, state);
  }
}

bool Windows::decode(base::Reader& in, const Limit& limit) {
  states.clear();
  for (std::size_t i = 0; i < limit.window_count(); ++i) {
    const Limit& window = limit.window(i);
    WindowState& state = states.emplace_back();
    const bool decoded = with_type_of(
        window, [&]<typename Type>(std::type_identity<Type>) { return state.emplace<Type>().decode(in, window); });
    if (!decoded) return false;
  }
  return true;
}

Time Windows::seen(Time now) const noexcept {
  for (const WindowState& state : states) {
    now = std::visit([&](const auto& s) { return s.seen(now); }, state);
  }
  return now;
}

}  // namespace flint::algorithm
