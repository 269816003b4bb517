#include <cerrno>

#include "testing/store_workload.h"

/// Every crash point: whatever call the power fails at, the store opens again without an operator, shows a prefix of
/// what was appended with everything that was acknowledged, and never shows less or more afterwards.
namespace flint::storage {
namespace {

using testing::CrashPolicy;
using testing::FaultyDisk;
using testing::History;
using testing::Records;
using testing::run_workload;
using testing::Survives;
using testing::test_effort;
using testing::test_seed;
using testing::TestStore;
using testing::tiny_options;
using testing::WorkloadResult;

constexpr int kRandomCrashes = 3;

class CrashTest : public ::testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] static FaultyDisk new_disk() {
    testing::FaultyOptions options;
    options.can_map = GetParam();
    return FaultyDisk(options);
  }
};

std::vector<CrashPolicy> policies() {
  std::vector<CrashPolicy> all = {{.survives = Survives::kEverything, .whole_pages = false},
                                  {.survives = Survives::kOnlySynced, .whole_pages = false}};
  for (std::uint64_t i = 0; i < kRandomCrashes * test_effort(); ++i) {
    all.push_back({.survives = Survives::kRandom, .whole_pages = i % 3 == 2});
  }
  return all;
}

std::string files_of(const FaultyDisk& disk) {
  std::string text;
  for (const std::string& name : disk.names()) {
    text += name + " (" + std::to_string(disk.content(name)->size()) + ") ";
  }
  return text;
}

/// Opens what a crash left, and checks it. Nothing on failure.
std::optional<Records> open_and_check(const FaultyDisk& disk, const History& history) {
  TestStore store(disk, tiny_options());
  const Status opened = store.open();
  EXPECT_TRUE(opened.ok()) << opened.message() << "\n" << files_of(disk);
  if (!opened.ok()) return std::nullopt;
  EXPECT_TRUE(history.explains(store.owner.records)) << files_of(disk);
  return store.owner.records;
}

/// The promise that an open makes by showing these.
History settled_at(const Records& shown) {
  return {.appended = shown, .acknowledged = shown.empty() ? 0 : shown.rbegin()->first};
}

/// "Once opened, later opens never return less or more": also when the machine crashes during them, or right after.
void check_later_opens(const FaultyDisk& crashed, const History& history, std::uint64_t seed) {
  const std::optional<Records> first = open_and_check(crashed, history);
  if (!first) return;
  const History settled = settled_at(*first);
  for (const Survives survives : {Survives::kEverything, Survives::kOnlySynced, Survives::kRandom}) {
    ASSERT_EQ(open_and_check(crashed.crash(seed, {.survives = survives}), settled), first);
  }
}

void check_crashes_in_recovery(const FaultyDisk& crashed, const History& history, std::uint64_t seed) {
  const FaultyDisk whole = crashed.crash(seed, {.survives = Survives::kEverything});
  if (!open_and_check(whole, history)) return;
  for (std::uint64_t call = 0; call < whole.call_count(); ++call) {
    FaultyDisk dying = crashed.crash(seed, {.survives = Survives::kEverything});
    dying.die_at(call, {.error = EIO, .partly = seed});
    TestStore store(dying, tiny_options());
    // What dies in the last steps (removing leftovers, describing the holder) does not keep the store from opening.
    const bool shown = store.open().ok();
    const History promised = shown ? settled_at(store.owner.records) : history;
    for (const Survives survives : {Survives::kOnlySynced, Survives::kRandom}) {
      check_later_opens(dying.crash(seed + call, {.survives = survives}), promised, seed);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST_P(CrashTest, AtEveryCall) {
  const std::uint64_t seed = test_seed();
  const FaultyDisk counting = new_disk();
  ASSERT_EQ(run_workload(counting, {}).first_failure, Status());
  const std::vector<testing::CallRecord> calls = counting.calls();
  ASSERT_GT(calls.size(), 100U);
  for (std::uint64_t call = 0; call < calls.size(); ++call) {
    FaultyDisk disk = new_disk();
    disk.write_back_by_itself(seed + call);
    disk.die_at(call, {.error = EIO, .partly = seed + call});
    const WorkloadResult lived = run_workload(disk, {});
    std::uint64_t crash_seed = seed ^ (call << 20);
    for (const CrashPolicy& policy : policies()) {
      SCOPED_TRACE(::testing::Message() << "call " << call << ", " << testing::call_name(calls[call].call) << " "
                                        << calls[call].name << ", crash seed " << ++crash_seed << ", survives "
                                        << static_cast<int>(policy.survives) << ", acknowledged "
                                        << lived.history.acknowledged);
      check_later_opens(disk.crash(crash_seed, policy), lived.history, crash_seed);
      if (HasFailure()) return;
    }
  }
}

TEST_P(CrashTest, AtEveryCallOfARecovery) {
  const std::uint64_t seed = test_seed();
  const FaultyDisk counting = new_disk();
  ASSERT_EQ(run_workload(counting, {}).first_failure, Status());
  const std::uint64_t calls = counting.call_count();
  for (std::uint64_t call = seed % 3; call < calls; call += 3) {
    FaultyDisk disk = new_disk();
    disk.die_at(call);
    const WorkloadResult lived = run_workload(disk, {});
    SCOPED_TRACE(::testing::Message() << "call " << call);
    check_crashes_in_recovery(disk.crash(seed + call), lived.history, seed + call);
    if (HasFailure()) return;
  }
}

TEST_P(CrashTest, BetweenCalls) {
  const std::uint64_t seed = test_seed();
  FaultyDisk disk = new_disk();
  disk.write_back_by_itself(seed);
  std::uint64_t step = 0;
  const auto crash_here = [&](const History& history) {
    ++step;
    for (const CrashPolicy& policy : policies()) {
      SCOPED_TRACE(::testing::Message() << "step " << step);
      if (!HasFailure()) check_later_opens(disk.crash(seed + step, policy), history, seed);
    }
  };
  EXPECT_EQ(run_workload(disk, {.after_step = crash_here}).first_failure, Status());
}

TEST_P(CrashTest, AKilledProcessLosesNothingThatWasAppended) {
  const FaultyDisk disk = new_disk();
  const auto kill_here = [&](const History& history) {
    History all = history;
    if (!all.appended.empty()) all.acknowledged = all.appended.rbegin()->first;
    if (!HasFailure()) open_and_check(disk.crash(0, {.survives = Survives::kEverything}), all);
  };
  EXPECT_EQ(run_workload(disk, {.after_step = kill_here}).first_failure, Status());
}

INSTANTIATE_TEST_SUITE_P(Paths, CrashTest, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "Mapped" : "Written"; });

}  // namespace
}  // namespace flint::storage
