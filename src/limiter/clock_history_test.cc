#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/engine_fixture.h"
#include "testing/seed.h"

/// Time across many opens, while the wall clock is set to anything and the machine restarts.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::EngineFixture;
using testing::must;
using testing::Random;

/// Shorter than any test runs, longer than every wait: what it has left says how much time the limiter saw pass.
const Limit kMeter{.rate = kMaxUnits, .per = kMaxPeriod, .algorithm = Algorithm::kTokenBucket, .burst = {}};

/// One short-lived process: open, `use`, and end.
template <typename Use>
void process(EngineFixture& engine, const Use& use) {
  engine.open();
  use();
  engine.close();
}

// Symptom: after one process with the wall clock an hour ahead, every later short-lived process saw time stand still
// for that hour, and was denied.
TEST(ClockHistory, ShortLivedProcessesSeeTimePassAfterTheWallClockWasAhead) {
  for (const bool boot_known : {true, false}) {
    for (const Algorithm algorithm : kAlgorithms) {
      EngineFixture engine;
      engine.close();
      if (boot_known) engine.clock.name_boot(1);
      process(engine, [&] { must(engine.limit("k", {.rate = 10, .per = 10s, .algorithm = algorithm, .burst = {}})); });
      engine.clock.set_wall(engine.clock.wall() + 1h);
      process(engine, [&] { EXPECT_TRUE(engine.allows("k", 10)); });
      engine.clock.set_wall(engine.clock.wall() - 1h);
      int allowed = 0;
      for (int i = 0; i < 100; ++i) {
        process(engine, [&] { allowed += engine.allows("k", 10) ? 1 : 0; });
        engine.clock.advance(1s);
      }
      const auto refills = static_cast<int>(100s / testing::time_to_full(algorithm, 10s));
      EXPECT_GE(allowed, refills - 1) << "a hundred seconds, less what it took to notice";
      EXPECT_LE(allowed, refills) << "nothing is granted for it";
    }
  }
}

// Only looking must notice it as well: a script that asks for a status each minute would never see another one.
TEST(ClockHistory, ReadersAndWritersSeeTheSameTime) {
  for (const bool boot_known : {true, false}) {
    EngineFixture engine;
    if (boot_known) engine.clock.name_boot(1);
    must(engine.limit("k", kMeter));
    EXPECT_TRUE(engine.allows("k", kMaxUnits));
    engine.close();
    engine.clock.set_wall(engine.clock.wall() - 1h);
    process(engine, [] {});
    Units before = 0;
    for (int i = 0; i < 10; ++i) {
      engine.clock.advance(1s);
      Units seen = 0;
      engine.options.mode = OpenMode::kReadOnly;
      process(engine, [&] { seen = engine.remaining("k"); });
      engine.options.mode = OpenMode::kReadWrite;
      process(engine, [&] { EXPECT_EQ(engine.remaining("k"), seen); });
      EXPECT_GT(seen, before);
      before = seen;
    }
  }
}

TEST(ClockHistory, WithoutAJumpAnOpenAndACloseLogNothing) {
  EngineFixture engine;
  engine.clock.name_boot(1);
  engine.reopen();
  must(engine.limit("k", kMeter));
  must(engine.limit("l", kMeter));
  const auto events = [&] {
    std::size_t all = 0;
    for (const FileMap& file : engine->doctor().files) all += file.records;
    return all;
  };
  engine.reopen();
  const std::size_t before = events();
  for (int i = 0; i < 5; ++i) {
    engine.clock.advance(1h);
    engine.clock.set_wall(engine.clock.wall() + 999ms);
    if (i == 3) engine.clock.reboot();
    engine.reopen();
    engine.clock.advance(1ms);
    engine.clock.set_wall(engine.clock.wall() - 999ms);
    EXPECT_EQ(events(), before);
  }
}

TEST(ClockHistory, AJumpIsReportedAndRecordedOnce) {
  EngineFixture engine;
  engine.clock.name_boot(1);
  engine.reopen();
  must(engine.limit("k", kMeter));
  EXPECT_THAT(engine->doctor().findings, ::testing::IsEmpty());
  engine.close();
  engine.clock.set_wall(engine.clock.wall() - 1h);
  engine.open();
  const storage::Seq seq = engine.last_seq();
  const DoctorReport report = engine->doctor();
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_THAT(report.findings[0].message, ::testing::HasSubstr("1h ahead of the wall clock"));
  EXPECT_TRUE(report.ok);
  must(engine->tick());
  EXPECT_EQ(engine.last_seq(), seq);
  engine.clock.set_wall(engine.clock.wall() + 1h);
  must(engine->tick());
  EXPECT_EQ(engine.last_seq(), seq + 1) << "and the way back";
}

/// Opens, closes, kills, reboots, compactions and jumps at random. What the meter shows is compared with the time that
/// truly passed and with the jumps.
class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed) {
    engine_.close();
    boot_known_ = random_.one_in(2);
    if (boot_known_) engine_.clock.name_boot(1);
    engine_.open();
    must(engine_.limit("meter", kMeter));
    EXPECT_TRUE(engine_.allows("meter", kMaxUnits));
    record();
  }

  void run() {
    for (int i = 0; i < 60 && !::testing::Test::HasFailure(); ++i) step();
  }

 private:
  /// Time that the limiter has seen pass, rounded down to what a unit takes (28 us).
  Nanos seen() {
    const Units left = engine_.remaining("meter");
    return Nanos(static_cast<std::int64_t>(static_cast<base::Uint128>(left) *
                                           static_cast<std::uint64_t>(kMaxPeriod.count()) / kMaxUnits));
  }

  void step() {
    switch (random_.pick(5)) {
      case 0:
        return jump();
      case 1:
        if (random_.one_in(4)) must(engine_->compact());
        if (random_.one_in(4)) record();
        if (random_.one_in(4)) must(engine_->tick());
        return;
      case 2:
        return pass(Nanos(static_cast<std::int64_t>(random_.any_up_to(3'600'000'000'000))));
      default:
        return restart();
    }
  }
  void pass(Nanos time) {
    engine_.clock.advance(time);
    passed_ += time;
  }
  void jump() {
    const Nanos by(static_cast<std::int64_t>(random_.any_up_to(7'200'000'000'000)));
    const bool forward = random_.one_in(2);
    engine_.clock.set_wall(engine_.clock.wall() + (forward ? by : -by));
    if (forward) forward_ += by;
    jumped_ = true;
  }
  /// An event: from here on no open may begin earlier.
  void record() {
    must(engine_.limit("other", {.rate = ++rate_, .per = 1s}));
    recorded_ = seen();
    anchored_ = boot_known_;
  }
  void restart() {
    const Nanos before = seen();
    const bool reboots = random_.one_in(4);
    if (random_.one_in(2)) {
      engine_.close();
    } else {
      engine_.kill();
    }
    const Nanos down(static_cast<std::int64_t>(random_.any_up_to(600'000'000'000)));
    pass(down);
    const bool jumps = random_.one_in(3);
    if (jumps) jump();
    if (reboots) {
      engine_.clock.reboot();
      anchored_ = false;
    }
    engine_.open();
    const Nanos after = seen();
    EXPECT_GE(after, recorded_) << "time ran backward";
    EXPECT_LE(after, passed_ + forward_ + 1ms) << "time was granted that did not pass";
    if (anchored_) {
      EXPECT_GE(after, before + down - 1ms) << "time stood still";
      EXPECT_LE(after, before + down + 1ms) << "the machine ran on: no jump counts";
    } else if (!jumps && !jumped_) {
      EXPECT_GE(after, before + down - 1s) << "time stood still, without a jump";
    }
    jumped_ = false;
    must(engine_->tick());
  }

  Random random_;
  EngineFixture engine_;
  bool boot_known_ = false;
  /// There was an event in this boot.
  bool anchored_ = false;
  /// Since the last restart.
  bool jumped_ = false;
  Units rate_ = 0;
  Nanos recorded_{};
  Nanos passed_{};
  Nanos forward_{};
};

TEST(ClockHistory, TimeNeitherStandsStillNorIsGrantedWhateverTheWallClockIsSetTo) {
  const std::uint64_t seed = testing::test_seed();
  for (std::uint64_t i = 0; i < 1000; ++i) {
    History(seed + i).run();
    ASSERT_FALSE(HasFailure()) << "seed " << seed + i;
  }
}

}  // namespace
}  // namespace flint::limiter
