// The checks of the C library's headers put bodies of their own under the names that this file defines.
#undef _FORTIFY_SOURCE

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>

#include "io/posix_file_system.h"
#include "io/posix_handle.h"
#include "testing/files.h"

/// What reaches the kernel, and what comes between two calls: functions of the C library that this program has itself.
namespace flint::io {
namespace {

using testing::bytes_of;
using testing::content_of;
using testing::must;
using testing::TemporaryDirectory;

/// What a test does instead of the system call. Empty: the call.
struct Hooks {
  std::function<int(int)> fdatasync;
  std::function<int(int)> fsync;
  std::function<int(int, int)> flock;
  std::function<int(int, off_t)> fallocate;
  std::size_t most_read_at_once = SIZE_MAX;
};

Hooks hooks;

int real_fdatasync(int fd) { return static_cast<int>(::syscall(SYS_fdatasync, fd)); }
int real_fsync(int fd) { return static_cast<int>(::syscall(SYS_fsync, fd)); }
int real_flock(int fd, int operation) { return static_cast<int>(::syscall(SYS_flock, fd, operation)); }

int real_fallocate(int fd, int mode, off_t offset, off_t size) {
  return static_cast<int>(::syscall(SYS_fallocate, fd, mode, offset, size));
}

}  // namespace
}  // namespace flint::io

// Found before those of the C library, which all of this program then calls.
extern "C" int fdatasync(int fd) {
  return flint::io::hooks.fdatasync ? flint::io::hooks.fdatasync(fd) : flint::io::real_fdatasync(fd);
}
extern "C" int fsync(int fd) { return flint::io::hooks.fsync ? flint::io::hooks.fsync(fd) : flint::io::real_fsync(fd); }
extern "C" int flock(int fd, int operation) noexcept {
  return flint::io::hooks.flock ? flint::io::hooks.flock(fd, operation) : flint::io::real_flock(fd, operation);
}
extern "C" int fallocate(int fd, int mode, off_t offset, off_t size) {
  const auto& hook = flint::io::hooks.fallocate;
  return hook ? hook(fd, offset + size) : flint::io::real_fallocate(fd, mode, offset, size);
}
extern "C" ssize_t pread(int fd, void* out, std::size_t size, off_t offset) {
  return ::syscall(SYS_pread64, fd, out, std::min(size, flint::io::hooks.most_read_at_once), offset);
}

namespace flint::io {
namespace {

/// The same file or directory.
bool is_at(int fd, const std::string& path) {
  struct stat open {};
  struct stat named {};
  return ::fstat(fd, &open) == 0 && ::stat(path.c_str(), &named) == 0 && open.st_dev == named.st_dev &&
         open.st_ino == named.st_ino;
}

class PosixCallsTest : public ::testing::Test {
 protected:
  void TearDown() override { hooks = {}; }

  /// Counts syncs of `path`.
  static std::function<int(int)> counting(int& count, std::string path, int (*real)(int)) {
    return [&count, path = std::move(path), real](int fd) {
      if (is_at(fd, path)) ++count;
      return real(fd);
    };
  }

  static std::unique_ptr<Directory> open(const std::string& path) {
    return must(open_posix_directory(path, OpenDirectory::kCreate));
  }
  /// On any file system.
  [[nodiscard]] std::unique_ptr<File> new_mappable_file() const {
    std::filesystem::remove(temporary_.path_of("file"));
    base::UniqueFd fd(::open(temporary_.path_of("file").c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    return make_posix_file(std::move(fd), "file", true);
  }
  void replace_lock_file() const {
    std::filesystem::rename(temporary_.path_of("lock"), temporary_.path_of("was-lock"));
    must(open(temporary_.path())->open("lock", OpenFile::kCreateNew));
  }

  TemporaryDirectory temporary_;
};

// File::sync returned Ok, and had asked nothing of the kernel.
TEST_F(PosixCallsTest, TheSyncOfAFileReachesTheKernelOnce) {
  const auto directory = open(temporary_.path());
  const auto file = must(directory->open("file", OpenFile::kCreateNew));
  int count = 0;
  hooks.fdatasync = counting(count, temporary_.path_of("file"), real_fdatasync);
  EXPECT_TRUE(file->sync().ok());
  EXPECT_EQ(count, 1);
}

// The first call reports the loss, and a second one "succeeds" over it.
TEST_F(PosixCallsTest, AFailedSyncIsNotTriedAgain) {
  const auto directory = open(temporary_.path());
  const auto file = must(directory->open("file", OpenFile::kCreateNew));
  int count = 0;
  hooks.fdatasync = hooks.fsync = [&count](int) {
    errno = EIO;
    return ++count == 1 ? -1 : 0;
  };
  EXPECT_EQ(file->sync().code(), Code::kIoError);
  EXPECT_EQ(count, 1);
  count = 0;
  EXPECT_EQ(directory->sync().code(), Code::kIoError);
  EXPECT_EQ(count, 1);
}

TEST_F(PosixCallsTest, AnInterruptedSyncIsMadeAgain) {
  const auto file = must(open(temporary_.path())->open("file", OpenFile::kCreateNew));
  int count = 0;
  hooks.fdatasync = [&count](int fd) {
    errno = EINTR;
    return ++count < 3 ? -1 : real_fdatasync(fd);
  };
  EXPECT_TRUE(file->sync().ok());
  EXPECT_EQ(count, 3);
}

// Files that had been synced were gone after a power loss: their names had not been.
TEST_F(PosixCallsTest, TheSyncOfADirectoryReachesTheKernel) {
  const auto directory = open(temporary_.path());
  int count = 0;
  hooks.fsync = counting(count, temporary_.path(), real_fsync);
  EXPECT_TRUE(directory->sync().ok());
  EXPECT_EQ(count, 1);
}

// The whole data directory was gone after a power loss. Also one that is there already: who made it may have been
// killed before the sync.
TEST_F(PosixCallsTest, TheDirectoryAboveIsSynced) {
  for (const char* what : {"new", "there already"}) {
    int count = 0;
    hooks.fsync = counting(count, temporary_.path(), real_fsync);
    open(temporary_.path_of("data"));
    EXPECT_EQ(count, 1) << what;
  }
}

// The kernel may hand out less than was asked for, and the rest of a record was taken for the end of the file.
TEST_F(PosixCallsTest, AReadThatIsCutShortGoesOn) {
  const auto file = must(open(temporary_.path())->open("file", OpenFile::kCreateNew));
  ASSERT_TRUE(file->write_at(0, bytes_of("a longer content")).ok());
  hooks.most_read_at_once = 3;
  EXPECT_EQ(content_of(*file), "a longer content");
}

// The process died of SIGBUS: it stored through a map to blocks that nothing had reserved, and the disk was full.
TEST_F(PosixCallsTest, NothingIsMappedWhereNothingCanBeReserved) {
  for (const int error : {EOPNOTSUPP, ENOSYS}) {
    const auto file = new_mappable_file();
    ASSERT_TRUE(file->can_map());
    hooks.fallocate = [error](int, off_t) {
      errno = error;
      return -1;
    };
    EXPECT_TRUE(file->allocate(8192).ok());
    EXPECT_EQ(must(file->size()), 8192U);
    EXPECT_FALSE(file->can_map());
  }
}

// A full disk stayed full: each attempt to reserve room kept the part that had fitted.
TEST_F(PosixCallsTest, WhatFittedOfAReservationIsGivenBack) {
  const auto file = new_mappable_file();
  ASSERT_TRUE(file->write_at(0, bytes_of("content")).ok());
  for (const int error : {ENOSPC, EDQUOT, EFBIG, EIO}) {
    hooks.fallocate = [error](int fd, off_t size) {
      EXPECT_EQ(::ftruncate(fd, size / 2), 0);
      errno = error;
      return -1;
    };
    EXPECT_EQ(file->allocate(8192).code(), error == EIO ? Code::kIoError : Code::kDiskFull);
    EXPECT_EQ(content_of(*file), "content");
  }
}

// Two writers at once: one held the lock of a file that had no name any more.
TEST_F(PosixCallsTest, ALockFileThatIsReplacedBeforeItIsLockedIsNotTheOneThatIsHeld) {
  const auto directory = open(temporary_.path());
  must(directory->open("lock", OpenFile::kCreateNew));
  int count = 0;
  hooks.flock = [&](int fd, int operation) {
    if (++count == 1) replace_lock_file();
    return real_flock(fd, operation);
  };
  const auto lock = must(directory->lock("lock"));
  EXPECT_GE(count, 2);
  EXPECT_TRUE(lock->still_held().ok());
  EXPECT_EQ(open(temporary_.path())->lock("lock").code(), Code::kDataDirLocked);
}

TEST_F(PosixCallsTest, ALockFileThatIsReplacedAllTheTimeIsAnError) {
  const auto directory = open(temporary_.path());
  must(directory->open("lock", OpenFile::kCreateNew));
  hooks.flock = [&](int fd, int operation) {
    if (operation != LOCK_UN) replace_lock_file();
    return real_flock(fd, operation);
  };
  EXPECT_EQ(directory->lock("lock").code(), Code::kIoError);
}

// A lock that is not held because flock failed was reported as held by somebody else.
TEST_F(PosixCallsTest, OnlyOneErrorMeansThatAnotherHoldsTheLock) {
  const auto directory = open(temporary_.path());
  for (const int error : {ENOLCK, EINVAL, EIO}) {
    hooks.flock = [error](int, int) {
      errno = error;
      return -1;
    };
    EXPECT_EQ(directory->lock("lock").code(), Code::kIoError);
  }
  hooks.flock = [](int, int) {
    errno = EWOULDBLOCK;
    return -1;
  };
  EXPECT_EQ(directory->lock("lock").code(), Code::kDataDirLocked);
}

}  // namespace
}  // namespace flint::io
