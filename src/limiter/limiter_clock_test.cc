#include "limiter/limiter_clock.h"

#include <gtest/gtest.h>

#include "testing/choices.h"

namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::FakeClock;

Time as_limiter_time(WallTime wall) { return Time(wall.time_since_epoch()); }

/// What a log says whose newest event was at `last`, without a boot that is known.
PersistedTime at(Time last) { return {.last = last, .ahead = {}, .anchor = {}, .anchored_at = {}}; }

TEST(LimiterClock, StartsAtTheWallClockAndAdvancesWithIt) {
  FakeClock machine;
  const WallTime start = machine.wall();
  LimiterClock clock(machine, {});
  EXPECT_EQ(clock.now().time, as_limiter_time(start));
  EXPECT_EQ(clock.now().wall, start);
  machine.advance(1500us);
  EXPECT_EQ(clock.now().time, as_limiter_time(start + 1500us));
  EXPECT_EQ(clock.now().wall, start + 1500us);
  EXPECT_EQ(clock.behind_at_open(), 0ns);
  EXPECT_EQ(clock.jumped_since_open(clock.now()), 0ns);
}

TEST(LimiterClock, WallClockSetBackBeforeOpenNeitherGrantsNorFreezes) {
  FakeClock machine;
  const Time persisted = as_limiter_time(machine.wall() + 1h);
  LimiterClock clock(machine, at(persisted));
  EXPECT_EQ(clock.behind_at_open(), 1h);
  EXPECT_EQ(clock.now().time, persisted);
  EXPECT_EQ(clock.now().wall, machine.wall()) << "what is shown is the wall clock";
  machine.advance(10s);
  EXPECT_EQ(clock.now().time, persisted + 10s) << "an hour's stall";
}

TEST(LimiterClock, WallClockSetForwardBeforeOpenIsWhereTimeGoesOn) {
  FakeClock machine;
  LimiterClock clock(machine, at(as_limiter_time(machine.wall() - 24h)));
  EXPECT_EQ(clock.now().time, as_limiter_time(machine.wall()));
  EXPECT_EQ(clock.behind_at_open(), 0ns);
}

TEST(LimiterClock, WallClockSetWhileRunningMovesOnlyWhatIsShown) {
  for (const Nanos step : {Nanos(1h), Nanos(-1h)}) {
    FakeClock machine;
    const Time start = as_limiter_time(machine.wall());
    LimiterClock clock(machine, {});
    machine.set_wall(machine.wall() + step);
    machine.advance(2s);
    const Moment at = clock.now();
    EXPECT_EQ(at.time, start + 2s);
    EXPECT_EQ(at.wall, machine.wall());
    EXPECT_EQ(clock.jumped_since_open(at), step);
  }
}

TEST(LimiterClock, BootClockThatGoesBackDoesNotTurnTimeBack) {
  FakeClock machine;
  const Time start = as_limiter_time(machine.wall());
  LimiterClock clock(machine, {});
  machine.advance(5s);
  EXPECT_EQ(clock.now().time, start + 5s);
  machine.advance(-3s);
  EXPECT_EQ(clock.now().time, start + 5s);
  machine.advance(4s);
  EXPECT_EQ(clock.now().time, start + 6s);
}

// From one end of the boot-time clock's range to the other, the difference overflowed (seen by UBSan).
TEST(LimiterClock, BootClockAtTheEndsOfItsRangeOnlyMovesTimeForward) {
  FakeClock machine;
  machine.set_boot(Nanos::min());
  LimiterClock clock(machine, {});
  const Time start = clock.now().time;
  machine.set_boot(Nanos::max());
  EXPECT_EQ(clock.now().time, kMaxTime);
  machine.set_boot(Nanos::min());
  EXPECT_EQ(clock.now().time, kMaxTime);
  EXPECT_LT(start, kMaxTime);
}

TEST(LimiterClock, WallClockIsKeptAsTheLogKeepsIt) {
  FakeClock machine;
  LimiterClock clock(machine, {});
  machine.set_wall(machine.wall() + 1234567ns);
  const Moment at = clock.now();
  EXPECT_EQ((at.wall.time_since_epoch() - at.time.time_since_epoch()) % 1ms, 0ns);
  EXPECT_LE(at.wall, machine.wall());
  EXPECT_GT(at.wall, machine.wall() - 1ms);
}

// Records were written that no open could read back, once the wall clock had been set to the end of time.
TEST(LimiterClock, EveryMomentCanBeWrittenAndReadBack) {
  for (const WallTime wall : {WallTime::min(), WallTime{}, WallTime{} + 500us, kMaxWallTime, WallTime::max()}) {
    for (const Time persisted : {Time{}, Time{} + 1ns, as_limiter_time(kMaxWallTime), kMaxTime}) {
      for (const WallTime then : {WallTime::min(), WallTime{}, WallTime::max()}) {
        FakeClock machine;
        machine.set_wall(wall);
        LimiterClock clock(machine, at(persisted));
        machine.advance(1h);
        machine.set_wall(then);
        const Moment at = clock.now();
        EXPECT_GE(at.time, persisted);
        const EventWriter event(EventType::kTime, at);
        LogEvent read;
        ASSERT_TRUE(decode_event({.kind = event.kind(), .seq = 1, .payload = event.written()}, read));
        EXPECT_EQ(read.at.time, at.time);
        EXPECT_EQ(read.at.wall, at.wall);
      }
    }
  }
}

}  // namespace
}  // namespace flint::limiter
