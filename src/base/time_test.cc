#include "flint/time.h"

#include <gtest/gtest.h>

namespace flint {
namespace {

TEST(TimeTest, SystemClockReadsWallAndBootTime) {
  const ClockReading first = system_clock().read();
  const ClockReading second = system_clock().read();
  EXPECT_GT(first.wall, WallTime(std::chrono::sys_days(std::chrono::year(2020) / 1 / 1)));
  EXPECT_GT(first.boot, Nanos::zero());
  EXPECT_GE(second.boot, first.boot);
}

// While the machine runs, time continues by the boot-time clock: two processes must know that they share a boot.
TEST(TimeTest, TheBootHasANameThatStays) {
  EXPECT_NE(system_clock().boot_id(), BootId{});
  EXPECT_EQ(system_clock().boot_id(), system_clock().boot_id());
}

}  // namespace
}  // namespace flint
