#include "algorithm/windows.h"

#include <gtest/gtest.h>

#include "algorithm/algorithm.h"
#include "testing/choices.h"
#include "testing/reference_windows.h"
#include "testing/seed.h"

namespace flint::algorithm {
namespace {

using namespace std::chrono_literals;
using testing::Random;
using testing::reference::LimitModel;

constexpr Time kNow{Nanos(1'795'458'122'123'456'789)};

Limit several(std::vector<Limit> windows) {
  Limit limit = windows.front();
  limit.further.assign(windows.begin() + 1, windows.end());
  EXPECT_TRUE(validate_limit(limit).ok()) << validate_limit(limit).message();
  return limit;
}

class Key {
 public:
  explicit Key(Limit limit) : limit_(std::move(limit)), state_(fresh(limit_, now_)) {}

  Outcome check(Units cost) {
    const Outcome outcome = decide(state_, limit_, cost, now_, space_);
    if (outcome.allowed) consume(state_, limit_, cost, now_, outcome);
    return outcome;
  }
  void pass(Nanos time) { now_ += time; }
  void change(const Limit& to) {
    state_ = reconfigure(state_, limit_, to, now_);
    limit_ = to;
  }
  [[nodiscard]] std::vector<Units> remaining() {
    std::vector<Units> each;
    const WindowOutcomes* windows = view_windows(state_, limit_, now_, space_);
    for (std::size_t i = 0; i < limit_.window_count(); ++i) each.push_back(windows->verdicts[i].remaining);
    return each;
  }

 private:
  Limit limit_;
  Time now_ = kNow;
  State state_;
  WindowSpace space_;
};

const Limit kPerSecond{.rate = 10, .per = 1s, .algorithm = Algorithm::kSlidingWindowLog};
const Limit kPerMinute{.rate = 30, .per = 1min, .algorithm = Algorithm::kFixedWindowCounter};

TEST(Windows, AllOfThemAllowAndCountOrNone) {
  Key key(several({kPerSecond, kPerMinute}));
  EXPECT_TRUE(key.check(10).allowed);
  EXPECT_EQ(key.remaining(), (std::vector<Units>{0, 20}));
  const Outcome denied = key.check(1);
  EXPECT_FALSE(denied.allowed);
  EXPECT_EQ(denied.windows->shown, 0);
  EXPECT_EQ(denied.retry_after, 1s);
  EXPECT_EQ(key.remaining(), (std::vector<Units>{0, 20})) << "the minute counted what the second denied";
  for (int i = 0; i < 2; ++i) {
    key.pass(1s);
    EXPECT_TRUE(key.check(10).allowed);
  }
  const Outcome both = key.check(5);
  EXPECT_EQ(both.windows->shown, 1) << "the longest wait is told";
  EXPECT_EQ(both.retry_after, 58s);
}

TEST(Windows, TheOneWithTheLeastLeftSpeaksForAll) {
  Key key(several({kPerMinute, kPerSecond}));
  const Outcome allowed = key.check(2);
  EXPECT_EQ(allowed.windows->shown, 1);
  EXPECT_EQ(allowed.remaining, 8U);
  EXPECT_EQ(allowed.reset_after, 1s);
}

TEST(Windows, ANewWindowBeginsWithTheMostThatIsInUse) {
  Key key(several({kPerSecond, kPerMinute}));
  key.check(10);
  key.pass(2s);
  key.change(several({kPerSecond, kPerMinute, {.rate = 1000, .per = 1h}, {.rate = 5, .per = 2s}}));
  EXPECT_EQ(key.remaining(), (std::vector<Units>{10, 20, 990, 0}));
}

TEST(Windows, AreAsSmallAsOne) {
  EXPECT_LE(sizeof(Windows), sizeof(SlidingCounter));
  EXPECT_EQ(sizeof(State), sizeof(WindowState));
}

Limit any_limit(Random& random) {
  std::vector<Limit> windows;
  for (std::uint64_t count = random.one_in(4) ? 1 : 1 + random.pick(4); windows.size() < count;) {
    Limit window;
    window.algorithm = random.any_of(kAlgorithms);
    window.rate = 1 + random.any_up_to(random.one_in(4) ? kMaxUnits - 1 : 20);
    window.per = std::chrono::milliseconds(1 + random.any_up_to(random.one_in(6) ? kMaxPeriod / 1ms - 1 : 20));
    if (window.algorithm == Algorithm::kTokenBucket && random.one_in(2)) window.burst = 1 + random.any_up_to(30);
    if (window.algorithm == Algorithm::kFixedWindowCounter && random.one_in(2)) {
      window.per = Nanos(0);
      window.align = static_cast<Align>(1 + random.pick(4));
      window.timezone = random.any_of(std::array{"", "Pacific/Apia", "America/Sao_Paulo", "Asia/Kathmandu"});
    }
    windows.push_back(window);
    Limit limit = windows.front();
    limit.further.assign(windows.begin() + 1, windows.end());
    if (!validate_limit(limit).ok()) windows.pop_back();  // a period twice
  }
  return several(windows);
}

std::vector<Verdict> each_of(const Outcome& outcome, const Limit& limit) {
  if (outcome.windows == nullptr) return {outcome};
  return {outcome.windows->verdicts.begin(),
          outcome.windows->verdicts.begin() + static_cast<std::ptrdiff_t>(limit.window_count())};
}

/// Decisions, charges and changes of the limit, as the reference model makes them; what the records of them say leads
/// to the very same states, as does a snapshot, but for the runs of sliding logs.
TEST(WindowsProperty, DecideAndReplayAsTheModelDoes) {
  Random random(testing::test_seed());
  for (std::uint64_t run = 0; run < 300 * testing::test_effort(); ++run) {
    Time now = kNow;
    WindowSpace space;
    Limit limit = any_limit(random);
    State live = fresh(limit, now);
    LimitModel model(limit, now);
    State replayed;
    ASSERT_TRUE(restore(replayed, describe(live, limit, now, space), limit, 0, now));
    for (int step = 0; step < 40; ++step) {
      space.clear();
      const Limit& any = limit.window(random.pick(limit.window_count()));
      const Nanos per = any.align == Align::kNone ? any.per : std::chrono::hours(random.one_in(4) ? 24 * 200 : 30);
      now += Nanos(static_cast<std::int64_t>(random.any_up_to(2 * static_cast<std::uint64_t>(per.count()))));
      if (random.one_in(6)) {
        const Limit to = any_limit(random);
        const State before = live;
        if (random.one_in(4)) {
          live = succeed(before, limit, to, now);
          model = model.succeeded_by(to, now);
          replayed = live;
        } else {
          live = reconfigure(before, limit, to, now);
          model.reconfigure(to, now);
          ASSERT_TRUE(restore(replayed, describe_reconfigured(live, before, limit, to, now, space), to, 0, now));
        }
        limit = to;
      } else if (random.one_in(6)) {
        const Units wanted = 1 + random.any_up_to(kMaxUnits - 1);
        const Units cost = most_charged(live, limit, wanted, now);
        const Outcome outcome = charged(live, limit, cost, now, space);
        consume(live, limit, cost, now, outcome);
        model.charge(wanted, now);
        ASSERT_TRUE(restore(replayed, outcome.after, limit, wanted, now));
      } else {
        const Units cost = 1 + random.any_up_to(limit.lowest_capacity() - 1);
        const Outcome outcome = decide(live, limit, cost, now, space);
        const std::vector<Verdict> wanted = model.decide_each(cost, now);
        ASSERT_EQ(each_of(outcome, limit), wanted) << "run " << run << ", step " << step;
        ASSERT_EQ(static_cast<const Verdict&>(outcome), wanted[LimitModel::shown(wanted)]);
        if (outcome.allowed) {
          consume(live, limit, cost, now, outcome);
          model.consume(cost, now);
          ASSERT_TRUE(restore(replayed, outcome.after, limit, cost, now));
        }
      }
      ASSERT_TRUE(is_valid(live, limit));
      ASSERT_TRUE(replayed == live) << "run " << run << ", step " << step;
      ASSERT_EQ(is_fresh(live, limit, now), model.is_fresh(now));
      const std::vector<Verdict> left = model.view_each(now);
      const View seen = view(live, limit, now);
      ASSERT_EQ(seen.remaining, left[LimitModel::shown(left)].remaining);
      ASSERT_EQ(seen.reset_after, left[LimitModel::shown(left)].reset_after);
    }
  }
}

}  // namespace
}  // namespace flint::algorithm
