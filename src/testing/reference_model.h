#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "algorithm/sliding_log.h"
#include "algorithm/verdict.h"
#include "flint/limit.h"

/// What the four algorithms should do, written to be read rather than run: every grant is kept, everything is summed
/// up anew for each question, and times of recovery are found by search instead of by formula. For tests and fuzzing.
namespace flint::testing::reference {

/// Wide enough for (time + time) * rate, and for a token as rate * nanoseconds, without a thought for overflow.
__extension__ using Int128 = __int128;

class Model {
 public:
  /// A sliding log of more than `most_runs` times that count has its two oldest made one, at the later.
  Model(const Limit& limit, Time now, std::size_t most_runs = algorithm::SlidingLog::kMaxRuns) : most_runs_(most_runs) {
    restart(limit, count(now), 0);
  }

  [[nodiscard]] const Limit& limit() const { return limit_; }

  /// `now`, or what the state has seen after it.
  [[nodiscard]] Time effective(Time now) const {
    return Time(Nanos(static_cast<std::int64_t>(std::max(count(now), seen_))));
  }

  [[nodiscard]] algorithm::Verdict decide(Units cost, Time now) const {
    const Int128 at = count(effective(now));
    if (allows(cost, at)) {
      Model after = *this;
      after.consume(cost, now);
      return {true, after.remaining(at), after.reset_after(at), Nanos::zero()};
    }
    const Nanos retry_after = shortest([&](Int128 wait) { return allows(cost, at + wait); });
    return {false, remaining(at), reset_after(at), retry_after};
  }

  [[nodiscard]] algorithm::View view(Time now) const {
    const Int128 at = count(effective(now));
    return {remaining(at), reset_after(at)};
  }

  void consume(Units cost, Time now) {
    const Int128 at = count(effective(now));
    if (limit_.algorithm == Algorithm::kTokenBucket) {
      tokens_ = tokens_at(at) - cost * per();
      seen_ = at;
      return;
    }
    grants_.push_back({at, cost});
    seen_ = limit_.algorithm == Algorithm::kSlidingWindowLog       ? at
            : limit_.algorithm == Algorithm::kSlidingWindowCounter ? pair_at(at).start
                                                                   : window().start;
    if (limit_.algorithm == Algorithm::kSlidingWindowLog) merge_oldest(at);
  }

  /// Counts usage that has happened, also beyond the limit, up to kMaxUnits in all.
  void charge(Units cost, Time now) {
    const Units room = kMaxUnits - std::min(kMaxUnits, in_use(now));
    if (room > 0 || limit_.algorithm != Algorithm::kSlidingWindowLog) consume(std::min(cost, room), now);
  }

  /// The model of a rule that the same traffic is counted by from now on.
  [[nodiscard]] Model succeeded_by(const Limit& to, Time now) const {
    Model next(to, effective(now), most_runs_);
    next.restart(to, count(effective(now)), std::min(in_use(now), to.capacity()));
    return next;
  }
  [[nodiscard]] bool is_fresh(Time now) const { return reset_after(count(effective(now))) == Nanos::zero(); }

  /// Whole units that count against the limit.
  [[nodiscard]] Units in_use(Time now) const {
    const Int128 at = count(effective(now));
    switch (limit_.algorithm) {
      case Algorithm::kTokenBucket:
        return static_cast<Units>((full() - tokens_at(at) + per() - 1) / per());
      case Algorithm::kSlidingWindowLog:
        return spent(at);
      case Algorithm::kFixedWindowCounter:
        return window_ended(at) ? 0 : window().count;
      case Algorithm::kSlidingWindowCounter:
        return counted(pair_at(at), at);
      case Algorithm::kConcurrency:
        break;
    }
    return 0;
  }

  void reconfigure(const Limit& to, Time now) {
    const Int128 at = count(effective(now));
    if (limit_.algorithm == to.algorithm && to.algorithm == Algorithm::kTokenBucket) {
      const Int128 missing = full() - tokens_at(at);
      const Int128 whole = missing / per();
      const Int128 part = missing % per();
      const Int128 old_per = per();
      limit_ = to;
      tokens_ = std::max<Int128>(full() - whole * per() - (part * per() + old_per - 1) / old_per, 0);
      seen_ = at;
    } else if (limit_.algorithm == to.algorithm && limit_.per == to.per &&
               to.algorithm == Algorithm::kSlidingWindowCounter) {
      limit_ = to;
      if (in_use(now) > to.rate) keep_what_fits(at);
    } else if (limit_.algorithm == to.algorithm && limit_.per == to.per) {
      // What a window counted is cut whether or not it has ended: a clock that steps back finds it going on.
      const Units used = to.algorithm == Algorithm::kFixedWindowCounter ? window().count : in_use(now);
      limit_ = to;
      if (used > to.capacity()) forget_oldest(used - to.capacity(), at);
    } else {
      restart(to, at, std::min(in_use(now), to.capacity()));
    }
  }

 private:
  struct Grant {
    Int128 time;
    Units cost;
  };
  struct Window {
    bool exists = false;
    Int128 start = 0;
    Units count = 0;
  };

  /// Of a sliding counter: the window of some moment, and the one right before it.
  struct Pair {
    Int128 start = 0;
    Units count = 0;
    Units before = 0;
  };

  static constexpr Int128 kNever = std::numeric_limits<std::int64_t>::min();

  [[nodiscard]] static Int128 count(Time time) { return time.time_since_epoch().count(); }
  [[nodiscard]] Int128 per() const { return limit_.per.count(); }
  [[nodiscard]] Int128 full() const { return Int128{limit_.capacity()} * per(); }

  void restart(const Limit& limit, Int128 at, Units in_use) {
    limit_ = limit;
    tokens_ = full() - in_use * per();
    grants_.clear();
    if (in_use > 0) grants_.push_back({at, in_use});
    seen_ = limit.algorithm == Algorithm::kSlidingWindowLog && in_use == 0 ? kNever : at;
  }

  /// The grants stay, also those of which nothing counts any more: they say where a window begins.
  void forget_oldest(Units units, Int128 at) {
    const Int128 start = limit_.algorithm == Algorithm::kFixedWindowCounter ? window().start : at - per() + 1;
    for (Grant& grant : grants_) {
      // What has expired goes as well: a clock that steps back finds none of it.
      if (grant.time < start) grant.cost = 0;
      const Units forgotten = std::min(grant.cost, units);
      grant.cost -= forgotten;
      units -= forgotten;
    }
  }

  /// In 1/per of a token.
  [[nodiscard]] Int128 tokens_at(Int128 at) const { return std::min(full(), tokens_ + (at - seen_) * limit_.rate); }

  [[nodiscard]] Units spent(Int128 at) const {
    Units sum = 0;
    for (const Grant& grant : grants_) sum += at < grant.time + per() ? grant.cost : 0;
    return sum;
  }

  void merge_oldest(Int128 at) {
    if (grants_.size() <= most_runs_) return;
    std::vector<Int128> times;
    for (const Grant& grant : grants_) {
      if (at < grant.time + per() && (times.empty() || times.back() != grant.time)) times.push_back(grant.time);
    }
    if (times.size() <= most_runs_) return;
    for (Grant& grant : grants_) {
      if (grant.time == times[0]) grant.time = times[1];
    }
  }

  [[nodiscard]] std::size_t live_grants(Int128 at) const {
    return static_cast<std::size_t>(
        std::count_if(grants_.begin(), grants_.end(), [&](const Grant& grant) { return at < grant.time + per(); }));
  }

  /// The last window, from all grants in their order.
  [[nodiscard]] Window window() const {
    Window window;
    for (const Grant& grant : grants_) {
      if (!window.exists || grant.time >= window.start + per()) window = {true, grant.time, 0};
      window.count += grant.cost;
    }
    return window;
  }
  [[nodiscard]] bool window_ended(Int128 at) const { return !window().exists || at >= window().start + per(); }

  /// Window after window, from the first grant on; a new row of windows begins where nothing counts any more.
  [[nodiscard]] Pair pair_at(Int128 at) const {
    Pair pair{grants_.empty() ? at : grants_.front().time, 0, 0};
    const auto advance = [&](Int128 to) {
      if (to >= pair.start + 2 * per()) pair = {to, 0, 0};
      if (to >= pair.start + per()) pair = {pair.start + per(), 0, pair.count};
      if (pair.count == 0 && pair.before == 0) pair.start = to;
    };
    for (const Grant& grant : grants_) {
      advance(grant.time);
      pair.count += grant.cost;
    }
    advance(at);
    return pair;
  }
  [[nodiscard]] Units counted(const Pair& pair, Int128 at) const {
    const Int128 overlap = per() - (at - pair.start);
    return pair.count + static_cast<Units>((pair.before * overlap + per() - 1) / per());
  }

  /// Of this window as much as fits, and of the one before as much as then still does.
  void keep_what_fits(Int128 at) {
    Pair pair = pair_at(at);
    const Units most_before = pair.before;
    pair.count = std::min(pair.count, limit_.rate);
    pair.before = 0;
    for (Units step = kMaxUnits; step > 0; step /= 2) {
      const Pair more{pair.start, pair.count, pair.before + step};
      if (more.before <= most_before && counted(more, at) <= limit_.rate) pair = more;
    }
    grants_.clear();
    if (pair.before > 0) grants_.push_back({pair.start - per(), pair.before});
    if (pair.count > 0) grants_.push_back({pair.start, pair.count});
    seen_ = pair.start;
  }

  [[nodiscard]] Units remaining(Int128 at) const {
    if (limit_.algorithm == Algorithm::kTokenBucket) {
      return static_cast<Units>(std::max<Int128>(tokens_at(at), 0) / per());
    }
    const Units used = limit_.algorithm == Algorithm::kSlidingWindowLog       ? spent(at)
                       : limit_.algorithm == Algorithm::kSlidingWindowCounter ? counted(pair_at(at), at)
                       : window_ended(at)                                     ? 0
                                                                              : window().count;
    return limit_.rate > used ? limit_.rate - used : 0;
  }

  [[nodiscard]] bool allows(Units cost, Int128 at) const {
    if (limit_.algorithm == Algorithm::kTokenBucket) return tokens_at(at) >= cost * per();
    return cost <= remaining(at);
  }

  [[nodiscard]] Nanos reset_after(Int128 at) const {
    switch (limit_.algorithm) {
      case Algorithm::kTokenBucket:
        return shortest([&](Int128 wait) { return tokens_at(at + wait) == full(); });
      case Algorithm::kSlidingWindowLog:
        return shortest([&](Int128 wait) { return live_grants(at + wait) == 0; });
      case Algorithm::kFixedWindowCounter:
        return shortest([&](Int128 wait) { return window_ended(at + wait); });
      case Algorithm::kSlidingWindowCounter:
        return shortest([&](Int128 wait) { return pair_at(at + wait).count + pair_at(at + wait).before == 0; });
      case Algorithm::kConcurrency:
        break;
    }
    return Nanos::zero();
  }

  /// The shortest wait after which `reached` holds; once it holds, it does for every longer one. Nanos::max() if none
  /// that Nanos can say is long enough.
  template <typename Reached>
  [[nodiscard]] static Nanos shortest(Reached reached) {
    std::int64_t low = 0;
    std::int64_t high = std::numeric_limits<std::int64_t>::max();
    while (low < high) {
      const std::int64_t middle = low + (high - low) / 2;
      if (reached(middle)) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return Nanos(low);
  }

  std::size_t most_runs_;
  Limit limit_;
  Int128 seen_ = 0;
  Int128 tokens_ = 0;
  std::vector<Grant> grants_;
};

}  // namespace flint::testing::reference
