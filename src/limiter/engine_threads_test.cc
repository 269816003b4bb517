#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "testing/engine_fixture.h"
#include "testing/seed.h"

/// Several threads check at once, a background thread commits, ticks and compacts, and in the middle of it the power is
/// lost.
namespace flint::limiter {
namespace {

using testing::EngineFixture;
using testing::fixed_window;
using testing::must;
using testing::Random;
using testing::sliding_log;

#ifdef __SANITIZE_THREAD__
// The disk looks at what other threads store through a map just then, as a kernel does.
constexpr bool kCanMap = false;
#else
constexpr bool kCanMap = true;
#endif
constexpr std::chrono::microseconds kSyncTakes{100};
constexpr int kThreads = 4;
constexpr int kRounds = 40;

/// What one thread knows of. It alone checks `key`; all of them check the pair.
struct Customer {
  std::string key;
  /// What it was told, and what it asked for: the last call may be there or not.
  Units granted = 0;
  Units granted_pairs = 0;
  Units asked = 0;
  Units asked_pairs = 0;

  void check_until_death(EngineFixture& engine) {
    const std::array items = {CheckItem{"left", 1}, CheckItem{"right", 1}};
    while (true) {
      ++asked;
      const auto one = engine->check(key, 1);
      if (!one.ok() || !told(engine, one->ticket)) return;
      granted = asked;
      ++asked_pairs;
      const auto both = engine->check_all(items);
      if (!both.ok() || !told(engine, both->ticket)) return;
      granted_pairs = asked_pairs;
    }
  }

 private:
  static bool told(EngineFixture& engine, Ticket ticket) {
    std::this_thread::sleep_for(kSyncTakes / 4);  // as a server: the record may be in another thread's sync by then
    // What runs on after the death of the process is only the test.
    return engine->wait(ticket).ok() && !engine.disk().died();
  }
};

class EngineThreads : public ::testing::TestWithParam<SyncMode> {
 protected:
  void lose_power_while_they_check() {
    EngineFixture engine(GetParam(),
                         testing::FaultyDisk({.can_map = kCanMap && random_.one_in(2), .sync_takes = kSyncTakes}));
    engine.tuning.background = true;
    engine.options.flush_every = std::chrono::milliseconds(1);
    engine.options.flush_every_events = 10;
    engine.options.compact_after_bytes = 20'000;
    engine.open();
    std::array<Customer, kThreads> customers;
    must(engine.limit("left", fixed_window(kMaxUnits, kMaxPeriod)));
    must(engine.limit("right", sliding_log(kMaxUnits, kMaxPeriod)));
    for (std::size_t i = 0; i < customers.size(); ++i) {
      customers[i].key = "customer " + std::to_string(i);
      must(engine.limit(customers[i].key, fixed_window(kMaxUnits, kMaxPeriod)));
    }
    must(engine->flush());

    engine.disk().write_back_by_itself(random_.pick(1'000'000));
    engine.disk().die_at(engine.disk().call_count() + random_.pick(100),
                         {.error = EIO, .partly = random_.pick(1'000'000)});
    std::array<std::thread, kThreads> threads;
    for (std::size_t i = 0; i < threads.size(); ++i) {
      threads[i] = std::thread([&, i] { customers[i].check_until_death(engine); });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_TRUE(engine.disk().died());
    expect_granted(engine, testing::Survives::kEverything, customers);
    for (int i = 0; i < 3; ++i) expect_granted(engine, testing::Survives::kRandom, customers);
    expect_granted(engine, testing::Survives::kOnlySynced, customers);
  }

  void expect_granted(EngineFixture& crashed, testing::Survives survives,
                      const std::array<Customer, kThreads>& customers) {
    EngineFixture engine(GetParam(), crashed.disk().crash(random_.pick(1'000'000), {.survives = survives}));
    const Status opened = engine.try_open();
    ASSERT_TRUE(opened.ok()) << opened.message();
    const bool kept = survives == testing::Survives::kEverything || GetParam() == SyncMode::kAlways;
    const auto expect_between = [&](const std::string& key, Units granted, Units asked) {
      const LimitStatus status = engine.status(key);
      const Units spent = kMaxUnits - status.remaining;
      EXPECT_EQ(status.total_allowed_cost, spent) << key;
      EXPECT_LE(spent, asked) << key << ": more than was ever asked for";
      EXPECT_GE(spent, kept ? granted : 0) << key << ": lost, survives " << static_cast<int>(survives);
    };
    Units granted_pairs = 0;
    Units asked_pairs = 0;
    for (const Customer& customer : customers) {
      expect_between(customer.key, customer.granted, customer.asked);
      granted_pairs += customer.granted_pairs;
      asked_pairs += customer.asked_pairs;
    }
    expect_between("left", granted_pairs, asked_pairs);
    EXPECT_EQ(engine.remaining("left"), engine.remaining("right")) << "half a check_all";
  }

  Random random_{testing::test_seed()};
};

TEST_P(EngineThreads, ALossOfPowerTakesNothingThatAThreadWasTold) {
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    lose_power_while_they_check();
  }
}

INSTANTIATE_TEST_SUITE_P(All, EngineThreads, ::testing::Values(SyncMode::kAlways, SyncMode::kBatch),
                         [](const auto& mode) { return mode.param == SyncMode::kAlways ? "always" : "batch"; });

}  // namespace
}  // namespace flint::limiter
