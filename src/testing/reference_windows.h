#pragma once

#include <algorithm>
#include <vector>

#include "algorithm/windows.h"
#include "testing/reference_model.h"

/// What a limit of any number of windows should do: each window is a Model of its own, and all of them allow a cost or
/// none takes it.
namespace flint::testing::reference {

class LimitModel {
 public:
  LimitModel(const Limit& limit, Time now) : limit_(limit) {
    for (std::size_t i = 0; i < limit.window_count(); ++i) windows_.emplace_back(alone(limit.window(i)), now);
  }

  /// What each window says; with one that denies, the others say what they have left.
  [[nodiscard]] std::vector<algorithm::Verdict> decide_each(Units cost, Time now) const {
    std::vector<algorithm::Verdict> verdicts;
    verdicts.reserve(windows_.size());
    for (const Model& window : windows_) verdicts.push_back(window.decide(cost, now));
    const bool allowed = std::all_of(verdicts.begin(), verdicts.end(), [](const auto& each) { return each.allowed; });
    const std::vector<algorithm::Verdict> unused = view_each(now);
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
      if (!allowed && verdicts[i].allowed) verdicts[i] = unused[i];
    }
    return verdicts;
  }
  [[nodiscard]] std::vector<algorithm::Verdict> view_each(Time now) const {
    std::vector<algorithm::Verdict> verdicts;
    for (const Model& window : windows_) {
      const algorithm::View view = window.view(now);
      verdicts.push_back({true, view.remaining, view.reset_after, Nanos(0)});
    }
    return verdicts;
  }
  /// The window that speaks for all: of those that deny, the one with the longest wait, else the one with the least
  /// left.
  [[nodiscard]] static std::size_t shown(const std::vector<algorithm::Verdict>& verdicts) {
    const auto speaks_before = [](const algorithm::Verdict& a, const algorithm::Verdict& b) {
      if (a.allowed != b.allowed) return !a.allowed;
      return a.allowed ? a.remaining < b.remaining : a.retry_after > b.retry_after;
    };
    return static_cast<std::size_t>(std::min_element(verdicts.begin(), verdicts.end(), speaks_before) -
                                    verdicts.begin());
  }

  void consume(Units cost, Time now) {
    for (Model& window : windows_) window.consume(cost, now);
  }
  void charge(Units cost, Time now) {
    for (Model& window : windows_) window.charge(cost, now);
  }
  [[nodiscard]] bool is_fresh(Time now) const {
    return std::all_of(windows_.begin(), windows_.end(), [&](const Model& window) { return window.is_fresh(now); });
  }

  void reconfigure(const Limit& to, Time now) {
    const LimitModel before = *this;
    become(to, [&](const Limit& window) {
      Model next = before.begins_with(window, now);
      next.reconfigure(window, now);
      return next;
    });
  }
  [[nodiscard]] LimitModel succeeded_by(const Limit& to, Time now) const {
    LimitModel next = *this;
    next.become(to, [&](const Limit& window) { return begins_with(window, now).succeeded_by(window, now); });
    return next;
  }

 private:
  static Limit alone(Limit window) {
    window.further.clear();
    return window;
  }

  template <typename Make>
  void become(const Limit& to, const Make& make) {
    limit_ = to;
    windows_.clear();
    for (std::size_t i = 0; i < to.window_count(); ++i) windows_.push_back(make(alone(to.window(i))));
  }

  /// The window of the same period, or the one in which the most is in use.
  [[nodiscard]] const Model& begins_with(const Limit& to, Time now) const {
    for (const Model& window : windows_) {
      if (window.limit().per == to.per) return window;
    }
    return *std::max_element(windows_.begin(), windows_.end(),
                             [&](const Model& a, const Model& b) { return a.in_use(now) < b.in_use(now); });
  }

  Limit limit_;
  std::vector<Model> windows_;
};

}  // namespace flint::testing::reference
