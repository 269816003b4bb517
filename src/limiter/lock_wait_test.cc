#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "flint/limiter.h"
#include "testing/files.h"
#include "testing/processes.h"

/// Two processes that want one directory.
namespace flint {
namespace {

using ::testing::HasSubstr;
using testing::Signal;
using testing::TemporaryDirectory;

/// Longer than any test runs.
constexpr std::chrono::milliseconds kLong = kMaxLockTimeout;

class LockWaitTest : public ::testing::Test {
 protected:
  /// A process that has the directory until it is told to let go, with a limit that is used up.
  pid_t start_holder() {
    const pid_t holder = testing::start_child([this] {
      auto limiter = Limiter::open(path());
      ASSERT_TRUE(limiter.ok()) << limiter.status().message();
      ASSERT_TRUE((*limiter)->limit("k", {.rate = 1, .per = std::chrono::hours(24)}).ok());
      ASSERT_TRUE((*limiter)->check("k")->allowed);
      held_.raise();
      EXPECT_TRUE(let_go_.wait());
      EXPECT_TRUE((*limiter)->close().ok());
    });
    EXPECT_TRUE(held_.wait());
    return holder;
  }
  [[nodiscard]] std::string path() const { return temporary_.path_of("data"); }

  TemporaryDirectory temporary_;
  Signal held_;
  Signal let_go_;
};

TEST_F(LockWaitTest, GetsTheDirectoryWhenTheOtherProcessLetsGo) {
  const pid_t holder = start_holder();
  EXPECT_EQ(Limiter::open(path()).code(), Code::kDataDirLocked);
  int tries = 0;
  const auto limiter = Limiter::open(path(), {.lock_timeout = kLong, .keep_waiting = [&] {
                                                if (++tries == 3) let_go_.raise();
                                                return true;
                                              }});
  ASSERT_TRUE(limiter.ok()) << limiter.status().message();
  EXPECT_GE(tries, 3);
  EXPECT_FALSE((*limiter)->check("k")->allowed) << "what the other process granted is granted";
  testing::expect_success(holder);
}

TEST_F(LockWaitTest, GetsTheDirectoryWhenTheOtherProcessIsKilled) {
  const pid_t holder = start_holder();
  bool killed = false;
  const auto limiter = Limiter::open(path(), {.lock_timeout = kLong, .keep_waiting = [&] {
                                                if (!std::exchange(killed, true)) testing::kill_and_reap(holder);
                                                return true;
                                              }});
  ASSERT_TRUE(limiter.ok()) << limiter.status().message();
  EXPECT_FALSE((*limiter)->check("k")->allowed);
}

TEST_F(LockWaitTest, AWaitThatIsEndedSaysWhoHasTheDirectory) {
  const pid_t holder = start_holder();
  const auto refused = Limiter::open(path(), {.lock_timeout = kLong, .keep_waiting = [] { return false; }});
  EXPECT_EQ(refused.code(), Code::kDataDirLocked);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("process " + std::to_string(holder)));
  // The end of the time ends it as well.
  EXPECT_EQ(Limiter::open(path(), {.lock_timeout = std::chrono::milliseconds(1)}).code(), Code::kDataDirLocked);
  EXPECT_EQ(repair(path(), std::chrono::milliseconds(1)).code(), Code::kDataDirLocked);
  let_go_.raise();
  testing::expect_success(holder);
}

TEST_F(LockWaitTest, AReaderWaitsAsWell) {
  const pid_t holder = start_holder();
  bool told = false;
  const auto reader = Limiter::open(path(), {.mode = OpenMode::kReadOnly, .lock_timeout = kLong, .keep_waiting = [&] {
                                               if (!std::exchange(told, true)) let_go_.raise();
                                               return true;
                                             }});
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_EQ((*reader)->status("k")->remaining, 0U);
  testing::expect_success(holder);
}

}  // namespace
}  // namespace flint
