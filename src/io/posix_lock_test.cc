#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <latch>
#include <thread>

#include "io/fork_guard.h"
#include "io/posix_file_system.h"
#include "testing/files.h"
#include "testing/processes.h"

/// Locks across processes and forks.
namespace flint::io {
namespace {

using testing::bytes_of;
using testing::content_of;
using testing::expect_success;
using testing::kill_and_reap;
using testing::must;
using testing::run_in_child;
using testing::Signal;
using testing::start_child;
using testing::TemporaryDirectory;

class PosixLockTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::unique_ptr<Directory> open() const {
    return must(open_posix_directory(temporary_.path(), OpenDirectory::kMustExist));
  }

  TemporaryDirectory temporary_;
};

TEST_F(PosixLockTest, AKilledHolderLetsGo) {
  Signal locked;
  Signal never;
  const pid_t holder = start_child([&] {
    const auto lock = must(open()->lock("lock"));
    EXPECT_TRUE(lock->describe_holder("the child").ok());
    locked.raise();
    EXPECT_FALSE(never.wait());
  });
  ASSERT_TRUE(locked.wait());
  const auto directory = open();
  const auto refused = directory->lock("lock");
  EXPECT_EQ(refused.code(), Code::kDataDirLocked);
  EXPECT_THAT(refused.status().message(), ::testing::HasSubstr(temporary_.path_of("lock")));
  EXPECT_EQ(directory->lock_shared("lock").code(), Code::kDataDirLocked);
  EXPECT_EQ(must(directory->read_lock_holder("lock")), "the child");
  kill_and_reap(holder);
  EXPECT_TRUE(must(directory->lock("lock"))->still_held().ok());
}

// A hard link under the lock's name was overwritten, and with it the other file.
TEST_F(PosixLockTest, AFileWithAnotherNameIsNotLockedForWriting) {
  const auto other = must(open()->open("other", OpenFile::kCreateNew));
  ASSERT_TRUE(other->write_at(0, bytes_of("precious")).ok());
  ASSERT_EQ(::link(temporary_.path_of("other").c_str(), temporary_.path_of("lock").c_str()), 0);
  const auto refused = open()->lock("lock");
  EXPECT_EQ(refused.code(), Code::kPermission);
  EXPECT_THAT(refused.status().message(), ::testing::HasSubstr("hard links"));
  EXPECT_EQ(content_of(*other), "precious");
  EXPECT_EQ(open()->open("other", OpenFile::kReadWrite).code(), Code::kPermission);
  EXPECT_TRUE(open()->open("other", OpenFile::kRead).ok());
}

// One command of root's left files that the owner of the directory could not open.
TEST_F(PosixLockTest, WhatRootCreatesBelongsToTheOwnerOfTheDirectory) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can create files for others";
  constexpr uid_t kOwner = 12345;
  ASSERT_EQ(::chown(temporary_.path().c_str(), kOwner, kOwner), 0);
  const auto lock = must(open()->lock("lock"));
  must(open()->open("file", OpenFile::kCreateNew));
  for (const char* name : {"lock", "file"}) {
    struct stat status {};
    ASSERT_EQ(::stat(temporary_.path_of(name).c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, kOwner);
    EXPECT_EQ(status.st_gid, kOwner);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
  }
}

// A worker forked from the process that holds the directory kept it locked for as long as the worker lived.
TEST_F(PosixLockTest, AForkedChildDoesNotKeepTheLockOfADeadParent) {
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);  // the orphan becomes ours to wait for
  Signal both_run;
  Signal end_of_test;
  const pid_t holder = start_child([&] {
    const auto lock = must(open()->lock("lock"));
    start_child([&] {
      both_run.raise();
      EXPECT_TRUE(end_of_test.wait());  // outlives its parent
    });
    for (;;) ::pause();
  });
  ASSERT_TRUE(both_run.wait());
  EXPECT_EQ(open()->lock("lock").code(), Code::kDataDirLocked) << "the parent lives and lost its lock to the fork";
  kill_and_reap(holder);
  EXPECT_TRUE(open()->lock("lock").ok());
  end_of_test.raise();
  expect_success(-1);
}

// Closing the file let go of the lock only once a child that was being forked had closed its copy as well.
TEST_F(PosixLockTest, AReleasedLockIsFreeWhateverBecomesOfAChild) {
  auto lock = must(open()->lock("lock"));
  Signal released;
  // Without the handlers that fork(2) would run, as if the child had not come to them yet.
  const auto child = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (child == 0) {
    static_cast<void>(released.wait());
    ::_exit(0);
  }
  lock.reset();
  EXPECT_TRUE(open()->lock("lock").ok());
  released.raise();
  expect_success(child);
}

TEST_F(PosixLockTest, AForkedChildDoesNotHoldWhatItsParentHolds) {
  auto lock = must(open()->lock("lock"));
  run_in_child([&] {
    EXPECT_EQ(lock->still_held().code(), Code::kClosed);
    EXPECT_EQ(lock->describe_holder("child").code(), Code::kClosed);
    lock.reset();
    EXPECT_EQ(open()->lock("lock").code(), Code::kDataDirLocked);
  });
  EXPECT_TRUE(lock->still_held().ok());
  EXPECT_EQ(must(open()->read_lock_holder("lock")), "");
  EXPECT_EQ(open()->lock("lock").code(), Code::kDataDirLocked);
}

TEST_F(PosixLockTest, AnInheritedLockClosesNoDescriptorOfTheChild) {
  const auto directory = open();
  auto lock = must(directory->lock("lock"));
  run_in_child([&] {
    // Takes every number below 64 that is free, hence also that of the lock.
    while (::open("/dev/null", O_RDONLY) < 64) {
    }
    lock.reset();
    for (int fd = 3; fd < 64; ++fd) EXPECT_NE(::fcntl(fd, F_GETFD), -1) << fd;
  });
}

TEST_F(PosixLockTest, AChildMayLockWhenItsParentLetsGo) {
  must(open()->lock("lock")).reset();
  run_in_child([&] {
    const auto lock = must(open()->lock("lock"));
    EXPECT_TRUE(lock->still_held().ok());
    run_in_child([&] { EXPECT_EQ(lock->still_held().code(), Code::kClosed); });
    EXPECT_TRUE(lock->still_held().ok());
  });
}

TEST_F(PosixLockTest, TheForkGenerationChangesInTheChildOnly) {
  const std::uint64_t before = fork_generation();
  EXPECT_EQ(fork_generation(), before);
  run_in_child([&] {
    const std::uint64_t inside = fork_generation();
    EXPECT_NE(inside, before);
    run_in_child([&] {
      EXPECT_NE(fork_generation(), inside);
      EXPECT_NE(fork_generation(), before);
    });
  });
  EXPECT_EQ(fork_generation(), before);
}

// Two first starts at once: the one that came second to create the lock file was told "File exists".
TEST_F(PosixLockTest, OneOfManyFirstStartersWins) {
  constexpr int kThreads = 4;
  for (int round = 0; round < 50; ++round) {
    const std::string name = "lock" + std::to_string(round);
    std::atomic<int> winners{0};
    std::latch ready(kThreads);
    std::latch tried(kThreads);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        const auto directory = open();
        ready.arrive_and_wait();
        const auto lock = directory->lock(name);
        if (lock.ok()) {
          ++winners;
        } else {
          EXPECT_EQ(lock.code(), Code::kDataDirLocked) << lock.status().message();
        }
        tried.arrive_and_wait();
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(winners, 1);
  }
}

TEST_F(PosixLockTest, AForkBesideLockingNeverLeaksALock) {
  // Children are forked while another thread locks and unlocks; none may keep what it was forked into the middle of.
  std::atomic<bool> stop{false};
  std::thread locker([&] {
    const auto directory = open();
    while (!stop) {
      const auto lock = directory->lock("lock");
      EXPECT_TRUE(lock.ok()) << "a child forked earlier keeps it: " << lock.status().message();
    }
  });
  std::vector<pid_t> children;
  Signal end_of_test;
  for (int i = 0; i < 50; ++i) {
    children.push_back(start_child([&] { EXPECT_FALSE(end_of_test.wait()); }));
  }
  stop = true;
  locker.join();
  for (const pid_t child : children) kill_and_reap(child);
}

TEST_F(PosixLockTest, ManyLocksAreRegisteredAndGivenBack) {
  const auto directory = open();
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<DirectoryLock>> locks;
    for (int i = 0; i < 100; ++i) locks.push_back(must(directory->lock("lock" + std::to_string(i))));
  }
  for (int i = 0; i < kMaxParentOnlyFds + 10; ++i) ASSERT_TRUE(directory->lock("lock").ok());
}

}  // namespace
}  // namespace flint::io
