#pragma once

#include <array>
#include <string>
#include <vector>

#include "algorithm/algorithm.h"
#include "base/arithmetic.h"
#include "testing/reference_model.h"

/// Drives the algorithms and their reference model through one schedule, and says where they part. For tests and
/// fuzzing: a schedule is made of the choices of a Source, which has `std::uint64_t pick(std::uint64_t bound)` (from 0
/// to bound - 1) and `bool more()`.
namespace flint::testing {

/// The number of bits first, so that small and huge numbers are as likely as each other.
template <typename Source>
[[nodiscard]] std::uint64_t pick_up_to(Source& source, std::uint64_t most) {
  if (most == 0) return 0;
  const auto bits = static_cast<std::uint64_t>(64 - __builtin_clzll(most));
  const std::uint64_t top = (std::uint64_t{1} << source.pick(bits)) * 2 - 1;
  const std::uint64_t bound = std::min(most, top);
  return bound == ~std::uint64_t{0} ? source.pick(bound) : source.pick(bound + 1);
}

template <typename Source>
[[nodiscard]] Limit pick_limit(Source& source, Algorithm algorithm) {
  constexpr std::int64_t kMillisecond = 1'000'000;
  Limit limit;
  limit.algorithm = algorithm;
  limit.rate = source.pick(8) == 0 ? kMaxUnits : 1 + pick_up_to(source, kMaxUnits - 1);
  const std::uint64_t longest = kMaxPeriod.count() / kMillisecond;
  const std::uint64_t millis = source.pick(8) == 0 ? longest : 1 + pick_up_to(source, longest - 1);
  limit.per = std::chrono::milliseconds(static_cast<std::int64_t>(millis));
  if (algorithm == Algorithm::kTokenBucket && source.pick(2) == 0) {
    limit.burst = source.pick(4) == 0 ? 1 : 1 + pick_up_to(source, kMaxUnits - 1);
  }
  return limit;
}

template <typename Source>
[[nodiscard]] Algorithm pick_algorithm(Source& source) {
  return kAlgorithms.at(source.pick(kAlgorithms.size()));
}

struct Grant {
  Time time{};
  Units cost = 0;
};

/// One key under test.
template <typename Source>
class Differential {
 public:
  struct Options {
    bool reconfigures = true;
    /// Start anywhere in time, also where `now + per` is beyond its end.
    bool any_epoch = true;
    bool clock_runs_backward = true;
  };

  Differential(Source& source, Algorithm algorithm, Options options)
      : source_(source),
        options_(options),
        limit_(pick_limit(source, algorithm)),
        now_(pick_start()),
        state_(algorithm::fresh(limit_, now_)),
        model_(limit_, now_) {}

  /// Runs the schedule to its end, or to the first difference. "" or what differs.
  [[nodiscard]] std::string run() {
    while (source_.more() && failure_.empty()) step();
    return failure_;
  }

  [[nodiscard]] const Limit& limit() const { return limit_; }
  /// What passed, by the time that the state took for now.
  [[nodiscard]] const std::vector<Grant>& grants() const { return grants_; }

 private:
  void step() {
    switch (source_.pick(options_.reconfigures ? 14 : 10)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return move_clock();
      case 4:
        return look();
      case 10:
        return change_limit(pick_limit(source_, pick_algorithm(source_)));
      case 11:
        return change_limit(pick_neighbour());
      case 12:
        return charge(source_.pick(4) == 0 ? kMaxUnits : 1 + pick_up_to(source_, 2 * limit_.capacity()));
      case 13:
        return be_succeeded(pick_limit(source_, pick_algorithm(source_)));
      default:
        return check(pick_cost());
    }
  }

  [[nodiscard]] Time pick_start() {
    if (!options_.any_epoch) return Time(std::chrono::hours(24 * 365 * 56));
    switch (source_.pick(4)) {
      case 0:
        return Time::max() - Nanos(static_cast<std::int64_t>(pick_up_to(source_, 1'000'000'000'000)));
      case 1:
        return Time::min() + Nanos(static_cast<std::int64_t>(pick_up_to(source_, 1'000'000'000'000)));
      default:
        return Time(Nanos(static_cast<std::int64_t>(pick_up_to(source_, std::uint64_t{1} << 62))));
    }
  }

  /// Most often by about what an earlier answer named, to either side of it by one nanosecond.
  void move_clock() {
    const Nanos waits[] = {last_.retry_after,
                           last_.reset_after,
                           limit_.per,
                           Nanos(static_cast<std::int64_t>(pick_up_to(source_, 10 * count(limit_.per)))),
                           Nanos(static_cast<std::int64_t>(pick_up_to(source_, count(Nanos::max())))),
                           Nanos::zero()};
    const Nanos wait = waits[source_.pick(std::size(waits))];
    const auto off_by = Nanos(static_cast<std::int64_t>(source_.pick(3)) - 1);
    const Time before = now_;
    if (options_.clock_runs_backward && source_.pick(8) == 0) {
      now_ = base::saturating_add(now_, -wait);
    } else {
      now_ = base::saturating_add(base::saturating_add(now_, wait), off_by);
    }
    if (!options_.clock_runs_backward) now_ = std::max(now_, before);
  }

  [[nodiscard]] Units pick_cost() {
    const Units capacity = limit_.capacity();
    const Units remaining = model_.view(now_).remaining;
    const Units costs[] = {
        1, capacity, remaining, remaining + 1, 1 + pick_up_to(source_, capacity - 1), 1 + source_.pick(3)};
    return std::clamp<Units>(costs[source_.pick(std::size(costs))], 1, capacity);
  }

  /// The same limit, but for one field.
  [[nodiscard]] Limit pick_neighbour() {
    const Limit other = pick_limit(source_, limit_.algorithm);
    Limit limit = limit_;
    switch (source_.pick(3)) {
      case 0:
        limit.rate = other.rate;
        break;
      case 1:
        limit.per = other.per;
        break;
      default:
        limit.burst = other.burst;
    }
    return limit;
  }

  void look() { expect(algorithm::view(state_, limit_, now_) == model_.view(now_), "view"); }

  void check(Units cost) {
    last_ = algorithm::decide(state_, limit_, cost, now_);
    expect(static_cast<const algorithm::Verdict&>(last_) == model_.decide(cost, now_),
           "decision of cost " + std::to_string(cost));
    if (!last_.allowed) return expect_exact_retry(cost);
    grants_.push_back({model_.effective(now_), cost});
    algorithm::consume(state_, limit_, cost, now_, last_);
    model_.consume(cost, now_);
    expect(algorithm::is_valid(state_, limit_), "state after a grant");
    const algorithm::View after = algorithm::view(state_, limit_, now_);
    expect(after.remaining == last_.remaining && after.reset_after == last_.reset_after, "what a grant promised");
  }

  void charge(Units wanted) {
    const Units cost = algorithm::most_charged(state_, limit_, wanted, now_);
    const algorithm::Outcome after = algorithm::charged(state_, limit_, cost, now_, space_);
    algorithm::consume(state_, limit_, cost, now_, after);
    model_.charge(wanted, now_);
    expect(algorithm::is_valid(state_, limit_), "state after a charge");
    const algorithm::View view = algorithm::view(state_, limit_, now_);
    expect(view.remaining == after.remaining && (cost == 0 || view.reset_after == after.reset_after),
           "what a charge promised");
    look();
  }

  void be_succeeded(const Limit& to) {
    state_ = algorithm::succeed(state_, limit_, to, now_);
    model_ = model_.succeeded_by(to, now_);
    limit_ = to;
    expect(algorithm::is_fresh(state_, limit_, now_) == model_.is_fresh(now_), "freshness");
    look();
  }

  void expect_exact_retry(Units cost) {
    const Time now = model_.effective(now_);
    expect(last_.retry_after > Nanos::zero(), "a denial that may be retried at once");
    if (last_.retry_after >= Time::max() - std::max(now, Time{})) return;
    expect(!algorithm::decide(state_, limit_, cost, now + last_.retry_after - Nanos(1)).allowed,
           "a retry before its time");
    expect(algorithm::decide(state_, limit_, cost, now + last_.retry_after).allowed, "a retry at its time");
  }

  void change_limit(const Limit& to) {
    const Units in_use = model_.in_use(now_);
    state_ = algorithm::reconfigure(state_, limit_, to, now_);
    model_.reconfigure(to, now_);
    limit_ = to;
    expect(algorithm::is_valid(state_, limit_), "state after a reconfiguration");
    const Units remaining = algorithm::view(state_, limit_, now_).remaining;
    expect(remaining == (to.capacity() > in_use ? to.capacity() - in_use : 0), "remaining after a reconfiguration");
    expect(algorithm::view(state_, limit_, now_).reset_after <= empty_to_full(to), "the wait after a reconfiguration");
    look();
  }

  [[nodiscard]] static Nanos empty_to_full(const Limit& limit) {
    if (limit.algorithm == Algorithm::kSlidingWindowCounter) return 2 * limit.per;
    if (limit.algorithm != Algorithm::kTokenBucket) return limit.per;
    return base::saturating_nanos(base::div_ceil(base::multiply(limit.capacity(), count(limit.per)), limit.rate));
  }

  void expect(bool holds, const std::string& what) {
    if (holds || !failure_.empty()) return;
    failure_ = what + " at " + std::to_string(now_.time_since_epoch().count()) + " under rate " +
               std::to_string(limit_.rate) + " per " + std::to_string(limit_.per.count()) + " ns, capacity " +
               std::to_string(limit_.capacity()) + ", " + std::string(algorithm_name(limit_.algorithm)) + ", after " +
               std::to_string(grants_.size()) + " grants";
  }

  [[nodiscard]] static std::uint64_t count(Nanos duration) { return static_cast<std::uint64_t>(duration.count()); }

  Source& source_;
  const Options options_;
  Limit limit_;
  Time now_;
  algorithm::State state_;
  reference::Model model_;
  algorithm::Outcome last_;
  std::vector<Grant> grants_;
  algorithm::WindowSpace space_;
  std::string failure_;
};

}  // namespace flint::testing
