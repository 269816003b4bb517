#pragma once

#include <algorithm>

#include "algorithm/now.h"
#include "algorithm/verdict.h"
#include "base/calendar.h"
#include "flint/limit.h"

/// What a calendar window should do: a count, and the moment at which it is over. Its time zone is known.
namespace flint::testing::reference {

class CalendarModel {
 public:
  CalendarModel(const Limit& limit, Time now, Units in_use = 0) : limit_(limit), opened_(now), count_(in_use) {}

  [[nodiscard]] const Limit& limit() const { return limit_; }

  [[nodiscard]] algorithm::Verdict decide(Units cost, algorithm::Now now) const {
    CalendarModel after = at(now);
    if (cost > limit_.rate - std::min(limit_.rate, after.count_)) {
      const Nanos wait = after.left(now);
      return {false, after.remaining(), wait, wait};
    }
    after.consume(cost, now);
    return {true, after.remaining(), after.left(now), Nanos(0)};
  }
  [[nodiscard]] algorithm::View view(algorithm::Now now) const {
    const CalendarModel present = at(now);
    return {present.remaining(), present.left(now)};
  }
  void consume(Units cost, algorithm::Now now) {
    *this = at(now);
    if (count_ == 0) begin(now);
    count_ += cost;
  }
  void charge(Units cost, algorithm::Now now) {
    consume(std::min(cost, kMaxUnits - std::min(kMaxUnits, in_use(now.time))), now);
  }
  [[nodiscard]] bool is_fresh(algorithm::Now now) const { return at(now).count_ == 0; }
  /// What counts as far as the events tell: without a clock's help, a window that came from another limit goes on.
  [[nodiscard]] Units in_use(Time now) const { return ends_ != Time{} && now >= ends_ ? 0 : count_; }
  void reconfigure(const Limit& to) {
    limit_ = to;
    count_ = std::min(count_, to.rate);
  }

 private:
  static WallTime wall(Time time, algorithm::Now now) { return WallTime(time.time_since_epoch() + now.to_wall); }

  /// The window that goes on at this time, or none.
  [[nodiscard]] CalendarModel at(algorithm::Now now) const {
    CalendarModel present = *this;
    if (count_ > 0 && ends_ == Time{}) {
      present.ends_ = Time(unit(wall(opened_, now)).end.time_since_epoch() - now.to_wall);
    }
    if (now.time >= present.ends_) present.count_ = 0;
    return present;
  }
  void begin(algorithm::Now now) {
    const base::CalendarUnit shown = unit(wall(now.time, now));
    const WallTime covered = wall(ends_, now);
    // A clock that was set back shows a unit of which the window before has had most.
    const bool again = ends_ != Time{} && covered > shown.begin && covered - shown.begin > shown.end - covered;
    opened_ = now.time;
    ends_ = Time((again ? unit(shown.end) : shown).end.time_since_epoch() - now.to_wall);
  }
  [[nodiscard]] base::CalendarUnit unit(WallTime time) const {
    return base::calendar_unit(limit_.align, limit_.timezone, time).value();
  }
  [[nodiscard]] Units remaining() const { return limit_.rate - std::min(limit_.rate, count_); }
  [[nodiscard]] Nanos left(algorithm::Now now) const { return count_ == 0 ? Nanos(0) : Nanos(ends_ - now.time); }

  Limit limit_;
  Time opened_{};
  /// Time{}: it came from another limit, and ends with the unit in which it did.
  Time ends_{};
  Units count_ = 0;
};

}  // namespace flint::testing::reference
