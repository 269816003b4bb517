#include <gtest/gtest.h>

#include "testing/engine_workload.h"
#include "testing/seed.h"

/// Crashes the whole limiter at every call of its disk, and fails every call of it once.
namespace flint::limiter {
namespace {

using testing::crash_workload;
using testing::CrashRun;
using testing::EngineFixture;
using testing::expect_recovers;
using testing::must;
using testing::Random;
using testing::Step;

struct Setting {
  SyncMode sync;
  bool mapped;
};

class EngineCrash : public ::testing::TestWithParam<Setting> {
 protected:
  [[nodiscard]] EngineFixture fixture() const {
    return {GetParam().sync, testing::FaultyDisk({.can_map = GetParam().mapped})};
  }
  /// Of what the disk holds now, or held when the process died.
  void expect_every_crash_recovers(EngineFixture& engine, const CrashRun& run) {
    const auto image = [&](const testing::CrashPolicy& policy) {
      const std::uint64_t seed = random_.pick(1'000'000);
      SCOPED_TRACE("survives " + std::to_string(static_cast<int>(policy.survives)) + ", pages " +
                   std::to_string(policy.whole_pages) + ", seed " + std::to_string(seed));
      const bool killed = policy.survives == testing::Survives::kEverything;
      expect_recovers(engine.disk().crash(seed, policy), engine, run,
                      killed ? run.first_after_kill() : run.first_after_power_loss());
    };
    image({.survives = testing::Survives::kEverything});
    image({.survives = testing::Survives::kOnlySynced});
    for (int i = 0; i < 3; ++i) image({.survives = testing::Survives::kRandom});
    image({.survives = testing::Survives::kRandom, .whole_pages = true});
  }
  std::uint64_t calls_of_a_whole_life() {
    EngineFixture engine = fixture();
    const CrashRun run(engine, steps_);
    EXPECT_EQ(run.first_after_power_loss(), run.states().size() - 1) << "closed";
    EXPECT_EQ(engine->stats().compactions, 3U);
    return engine.disk().call_count();
  }

  const std::vector<Step> steps_ = crash_workload();
  Random random_{testing::test_seed()};
};

TEST_P(EngineCrash, AtEveryCallLeavesAPrefixThatHoldsWhatWasPromised) {
  const std::uint64_t calls = calls_of_a_whole_life();
  for (std::uint64_t call = 0; call < calls; ++call) {
    EngineFixture engine = fixture();
    if (random_.one_in(2)) engine.disk().write_back_by_itself(random_.pick(1'000'000));
    engine.disk().die_at(call, {.error = EIO, .partly = random_.pick(1'000'000)});
    const CrashRun run(engine, steps_);
    ASSERT_TRUE(engine.disk().died()) << call;
    SCOPED_TRACE("call " + std::to_string(call));
    expect_every_crash_recovers(engine, run);
    ASSERT_FALSE(HasFailure());
  }
}

// Through a map, most changes are no call of the disk.
TEST_P(EngineCrash, AfterEveryStepLeavesAPrefixThatHoldsWhatWasPromised) {
  for (const bool write_back : {false, true}) {
    EngineFixture engine = fixture();
    if (write_back) engine.disk().write_back_by_itself(random_.pick(1'000'000));
    const CrashRun whole(engine, steps_, [&](const CrashRun& run) {
      if (HasFailure()) return;
      SCOPED_TRACE("state " + std::to_string(run.states().size() - 1));
      expect_every_crash_recovers(engine, run);
    });
    EXPECT_EQ(whole.first_after_power_loss(), whole.states().size() - 1);
  }
}

// A recovery that is cut short must not make less, or more, of what there is.
TEST_P(EngineCrash, DuringTheRecoveryFromACrashLosesNothingMore) {
  const std::uint64_t calls = calls_of_a_whole_life();
  for (int round = 0; round < 60; ++round) {
    EngineFixture engine = fixture();
    engine.disk().die_at(random_.pick(calls), {.error = EIO, .partly = random_.pick(1'000'000)});
    const CrashRun run(engine, steps_);
    const bool killed = random_.one_in(2);
    const testing::CrashPolicy policy{.survives = killed ? testing::Survives::kEverything : testing::Survives::kRandom};
    testing::FaultyDisk disk = engine.disk().crash(random_.pick(1'000'000), policy);
    for (int crashes = 0; crashes < 3; ++crashes) {
      EngineFixture again(GetParam().sync, disk);
      again.clock = engine.clock;
      disk.die_at(disk.call_count() + random_.pick(20), {.error = EIO, .partly = random_.pick(1'000'000)});
      static_cast<void>(again.try_open());
      disk = disk.crash(random_.pick(1'000'000), policy);
    }
    expect_recovers(disk, engine, run, killed ? run.first_after_kill() : run.first_after_power_loss());
    ASSERT_FALSE(HasFailure()) << round;
  }
}

class EngineFault : public EngineCrash {
 protected:
  /// One call fails; the limiter goes on, or stops and says so. Then it is killed.
  void fail_every_call_once(int error) {
    const std::uint64_t calls = calls_of_a_whole_life();
    for (std::uint64_t call = 0; call < calls; ++call) {
      EngineFixture engine = fixture();
      engine.disk().fail_call(
          call, {.error = error, .partly = random_.one_in(2) ? std::optional(random_.pick(1'000'000)) : std::nullopt});
      const CrashRun run(engine, steps_);
      SCOPED_TRACE("call " + std::to_string(call) + ", " +
                   std::string(testing::call_name(engine.disk().calls().at(call).call)) + " of " +
                   engine.disk().calls().at(call).name);
      if (engine.is_open() && engine->health().code() == Code::kStorageFailed) expect_stopped(engine);
      engine.disk().stop_failing();
      expect_recovers(engine.disk().crash(call, {.survives = testing::Survives::kEverything}), engine, run,
                      run.first_after_kill());
      for (std::uint64_t seed = 0; seed < 2; ++seed) {
        expect_recovers(engine.disk().crash(seed), engine, run, run.first_after_power_loss());
      }
      ASSERT_FALSE(HasFailure());
    }
  }

  /// No change is accepted any more, whatever the disk would do by now; reads go on.
  static void expect_stopped(EngineFixture& engine) {
    engine.disk().stop_failing();
    EXPECT_TRUE(engine->stats().failed);
    EXPECT_FALSE(engine->doctor().ok);
    const auto before = engine.statuses();
    EXPECT_EQ(engine.limit("another", testing::token_bucket(1, std::chrono::seconds(1))).code(), Code::kStorageFailed);
    if (engine->status("org").ok()) {
      EXPECT_EQ(engine.try_check("org").code(), Code::kStorageFailed);
      EXPECT_EQ(engine.reset("org").code(), Code::kStorageFailed);
    }
    EXPECT_EQ(engine->flush().code(), Code::kStorageFailed);
    EXPECT_EQ(engine->compact().code(), Code::kStorageFailed);
    EXPECT_EQ(engine.statuses(), before);
  }
};

TEST_P(EngineFault, EveryCallThatFailsWithAnIoErrorStopsItOrChangesNothing) { fail_every_call_once(EIO); }

TEST_P(EngineFault, EveryCallThatFindsTheDiskFullChangesNothing) { fail_every_call_once(ENOSPC); }

std::string setting_name(const ::testing::TestParamInfo<Setting>& setting) {
  return std::string(setting.param.sync == SyncMode::kAlways ? "always" : "batch") +
         (setting.param.mapped ? "_mapped" : "_plain");
}

constexpr std::array kSettings = {Setting{SyncMode::kAlways, true}, Setting{SyncMode::kAlways, false},
                                  Setting{SyncMode::kBatch, true}, Setting{SyncMode::kBatch, false}};

INSTANTIATE_TEST_SUITE_P(All, EngineCrash, ::testing::ValuesIn(kSettings), setting_name);
INSTANTIATE_TEST_SUITE_P(All, EngineFault, ::testing::ValuesIn(kSettings), setting_name);

}  // namespace
}  // namespace flint::limiter
