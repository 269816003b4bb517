#pragma once

#include <algorithm>
#include <vector>

#include "algorithm/windows.h"
#include "testing/reference_calendar.h"
#include "testing/reference_model.h"

/// What a limit of any number of windows should do: each window is a Model of its own, and all of them allow a cost or
/// none takes it.
namespace flint::testing::reference {

/// One window, with or without a calendar.
class WindowModel {
 public:
  WindowModel(const Limit& limit, Time now, Units in_use = 0)
      : plain_(plain(limit), now), calendar_(limit, now, in_use) {
    if (in_use > 0 && !is_calendar()) plain_.charge(in_use, now);
  }

  [[nodiscard]] const Limit& limit() const { return calendar_.limit(); }
  [[nodiscard]] algorithm::Verdict decide(Units cost, algorithm::Now now) const {
    return is_calendar() ? calendar_.decide(cost, now) : plain_.decide(cost, now);
  }
  [[nodiscard]] algorithm::View view(algorithm::Now now) const {
    return is_calendar() ? calendar_.view(now) : plain_.view(now);
  }
  void consume(Units cost, algorithm::Now now) {
    is_calendar() ? calendar_.consume(cost, now) : plain_.consume(cost, now);
  }
  void charge(Units cost, algorithm::Now now) {
    is_calendar() ? calendar_.charge(cost, now) : plain_.charge(cost, now);
  }
  [[nodiscard]] bool is_fresh(algorithm::Now now) const {
    return is_calendar() ? calendar_.is_fresh(now) : plain_.is_fresh(now);
  }
  [[nodiscard]] Units in_use(Time now) const { return is_calendar() ? calendar_.in_use(now) : plain_.in_use(now); }
  void reconfigure(const Limit& to, Time now) {
    const bool same_calendar = limit().align == to.align && limit().timezone == to.timezone;
    if (is_calendar() && same_calendar) return calendar_.reconfigure(to);
    if (is_calendar() || to.align != Align::kNone) {
      *this = succeeded_by(to, now);
      return;
    }
    plain_.reconfigure(to, now);
    calendar_ = CalendarModel(to, now);
  }
  [[nodiscard]] WindowModel succeeded_by(const Limit& to, Time now) const {
    WindowModel next(to, now, std::min(in_use(now), to.capacity()));
    if (!is_calendar() && to.align == Align::kNone) next.plain_ = plain_.succeeded_by(to, now);
    return next;
  }

 private:
  static Limit plain(Limit limit) {
    if (limit.align != Align::kNone) limit.per = kMaxPeriod;  // not used
    return limit;
  }
  [[nodiscard]] bool is_calendar() const { return limit().align != Align::kNone; }

  Model plain_;
  CalendarModel calendar_;
};

class LimitModel {
 public:
  LimitModel(const Limit& limit, Time now) : limit_(limit) {
    for (std::size_t i = 0; i < limit.window_count(); ++i) windows_.emplace_back(alone(limit.window(i)), now);
  }

  /// What each window says; with one that denies, the others say what they have left.
  [[nodiscard]] std::vector<algorithm::Verdict> decide_each(Units cost, algorithm::Now now) const {
    std::vector<algorithm::Verdict> verdicts;
    verdicts.reserve(windows_.size());
    for (const WindowModel& window : windows_) verdicts.push_back(window.decide(cost, now));
    const bool allowed = std::all_of(verdicts.begin(), verdicts.end(), [](const auto& each) { return each.allowed; });
    const std::vector<algorithm::Verdict> unused = view_each(now);
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
      if (!allowed && verdicts[i].allowed) verdicts[i] = unused[i];
    }
    return verdicts;
  }
  [[nodiscard]] std::vector<algorithm::Verdict> view_each(algorithm::Now now) const {
    std::vector<algorithm::Verdict> verdicts;
    for (const WindowModel& window : windows_) {
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

  void consume(Units cost, algorithm::Now now) {
    for (WindowModel& window : windows_) window.consume(cost, now);
  }
  void charge(Units cost, algorithm::Now now) {
    for (WindowModel& window : windows_) window.charge(cost, now);
  }
  [[nodiscard]] bool is_fresh(algorithm::Now now) const {
    return std::all_of(windows_.begin(), windows_.end(),
                       [&](const WindowModel& window) { return window.is_fresh(now); });
  }

  void reconfigure(const Limit& to, Time now) {
    const LimitModel before = *this;
    become(to, [&](const Limit& window) {
      WindowModel next = before.begins_with(window, now);
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
  [[nodiscard]] const WindowModel& begins_with(const Limit& to, Time now) const {
    for (const WindowModel& window : windows_) {
      if (base::is_same_window(window.limit(), to)) return window;
    }
    return *std::max_element(windows_.begin(), windows_.end(),
                             [&](const WindowModel& a, const WindowModel& b) { return a.in_use(now) < b.in_use(now); });
  }

  Limit limit_;
  std::vector<WindowModel> windows_;
};

}  // namespace flint::testing::reference
