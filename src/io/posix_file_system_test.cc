#include "io/posix_file_system.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "io/file_system_kind.h"
#include "testing/files.h"
#include "testing/mounts.h"
#include "testing/processes.h"

namespace flint::io {
namespace {

using testing::bytes_of;
using testing::content_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::must;
using testing::run_as_user;
using testing::run_in_child;
using testing::TemporaryDirectory;
using testing::with_tmpfs;

mode_t mode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

void write_file(const std::string& path, std::string_view text) { std::ofstream(path) << text; }

class PosixFileSystemTest : public ::testing::Test {
 protected:
  std::unique_ptr<Directory> open() const {
    return must(open_posix_directory(temporary_.path(), OpenDirectory::kMustExist));
  }
  [[nodiscard]] std::string path_of(std::string_view name) const { return temporary_.path_of(name); }

  TemporaryDirectory temporary_;
};

TEST_F(PosixFileSystemTest, CreatesOneLevelForTheOwnerOnly) {
  const auto directory = must(open_posix_directory(path_of("new"), OpenDirectory::kCreate));
  EXPECT_EQ(mode_of(path_of("new")), 0700U);
  must(directory->open("file", OpenFile::kCreateNew));
  must(directory->lock("lock"));
  EXPECT_EQ(mode_of(path_of("new/file")), 0600U);
  EXPECT_EQ(mode_of(path_of("new/lock")), 0600U);
}

TEST_F(PosixFileSystemTest, TheUmaskMakesNoDifference) {
  ASSERT_EQ(::chmod(temporary_.path().c_str(), 0777), 0);
  run_as_user([&] {
    for (const mode_t mask : {0000U, 0777U}) {
      ::umask(mask);
      const std::string path = path_of("new" + std::to_string(mask));
      const auto directory = must(open_posix_directory(path, OpenDirectory::kCreate));
      must(directory->open("file", OpenFile::kCreateNew));
      must(directory->lock("lock"));
      EXPECT_EQ(mode_of(path), 0700U);
      EXPECT_EQ(mode_of(path + "/file"), 0600U);
      EXPECT_EQ(mode_of(path + "/lock"), 0600U);
    }
  });
}

TEST_F(PosixFileSystemTest, WhatExistsKeepsItsMode) {
  ASSERT_EQ(::chmod(temporary_.path().c_str(), 0755), 0);
  write_file(path_of("lock"), "");
  write_file(path_of("file"), "");
  ASSERT_EQ(::chmod(path_of("lock").c_str(), 0644), 0);
  ASSERT_EQ(::chmod(path_of("file").c_str(), 0644), 0);
  const auto directory = must(open_posix_directory(temporary_.path(), OpenDirectory::kCreate));
  must(directory->lock("lock"));
  must(directory->open("file", OpenFile::kReadWrite));
  EXPECT_EQ(mode_of(temporary_.path()), 0755U);
  EXPECT_EQ(mode_of(path_of("lock")), 0644U);
  EXPECT_EQ(mode_of(path_of("file")), 0644U);
}

TEST_F(PosixFileSystemTest, AMissingDirectoryIsNotCreatedUnlessAsked) {
  const auto missing = open_posix_directory(path_of("missing"), OpenDirectory::kMustExist);
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_THAT(missing.status().message(), HasSubstr("there is no data directory at " + path_of("missing")));
  EXPECT_FALSE(std::filesystem::exists(path_of("missing")));
}

TEST_F(PosixFileSystemTest, AMissingParentIsNotCreated) {
  const auto deep = open_posix_directory(path_of("a/b"), OpenDirectory::kCreate);
  EXPECT_EQ(deep.code(), Code::kNotFound);
  EXPECT_THAT(deep.status().message(), HasSubstr("the directory above it does not exist"));
  EXPECT_FALSE(std::filesystem::exists(path_of("a")));
}

TEST_F(PosixFileSystemTest, AFileIsNoDataDirectory) {
  write_file(path_of("file"), "mine");
  for (const OpenDirectory how : {OpenDirectory::kMustExist, OpenDirectory::kCreate}) {
    const auto file = open_posix_directory(path_of("file"), how);
    EXPECT_EQ(file.code(), Code::kPermission);
    EXPECT_THAT(file.status().message(), HasSubstr("is a file, and the data directory must be a directory"));
    EXPECT_EQ(open_posix_directory(path_of("file/inside"), how).code(), Code::kPermission);
  }
}

TEST_F(PosixFileSystemTest, ADanglingLinkIsNamedAsSuch) {
  std::filesystem::create_symlink(path_of("nowhere"), path_of("link"));
  for (const OpenDirectory how : {OpenDirectory::kMustExist, OpenDirectory::kCreate}) {
    const auto link = open_posix_directory(path_of("link"), how);
    EXPECT_EQ(link.code(), Code::kNotFound);
    EXPECT_THAT(link.status().message(), HasSubstr("is a symbolic link to something that does not exist"));
  }
  EXPECT_FALSE(std::filesystem::exists(path_of("nowhere")));
}

TEST_F(PosixFileSystemTest, TheDirectoryItselfMayBeALink) {
  std::filesystem::create_directory(path_of("real"));
  std::filesystem::create_directory_symlink(path_of("real"), path_of("link"));
  const auto directory = must(open_posix_directory(path_of("link") + "/", OpenDirectory::kCreate));
  must(directory->open("file", OpenFile::kCreateNew));
  EXPECT_TRUE(std::filesystem::exists(path_of("real/file")));
}

TEST_F(PosixFileSystemTest, OddPathsAreInvalid) {
  EXPECT_EQ(open_posix_directory("", OpenDirectory::kCreate).code(), Code::kInvalidArgument);
  EXPECT_EQ(open_posix_directory(std::string_view("a\0b", 3), OpenDirectory::kCreate).code(), Code::kInvalidArgument);
}

TEST_F(PosixFileSystemTest, TheHandleStaysWithADirectoryThatIsMoved) {
  const auto directory = must(open_posix_directory(path_of("before"), OpenDirectory::kCreate));
  std::filesystem::rename(path_of("before"), path_of("after"));
  must(directory->open("file", OpenFile::kCreateNew));
  EXPECT_TRUE(std::filesystem::exists(path_of("after/file")));
}

TEST_F(PosixFileSystemTest, PermissionsAreExplained) {
  std::filesystem::create_directory(path_of("closed"));
  ASSERT_EQ(::chmod(path_of("closed").c_str(), 0000), 0);
  ASSERT_EQ(::chmod(temporary_.path().c_str(), 0755), 0);
  run_as_user([&] {
    // An ordinary user owns the directories of the test and may enter the outer one; root's may not be written by
    // nobody.
    const auto closed = open_posix_directory(path_of("closed"), OpenDirectory::kMustExist);
    EXPECT_EQ(closed.code(), Code::kPermission);
    EXPECT_THAT(closed.status().message(), HasSubstr("Run as the owner of the data directory"));
    ::chmod(temporary_.path().c_str(), 0555);  // fails for nobody, to whom it is closed anyway
    EXPECT_EQ(open_posix_directory(path_of("new"), OpenDirectory::kCreate).code(), Code::kPermission);
  });
  ASSERT_EQ(::chmod(temporary_.path().c_str(), 0700), 0);
  ASSERT_EQ(::chmod(path_of("closed").c_str(), 0700), 0);
}

TEST_F(PosixFileSystemTest, AReadOnlyDirectoryCanBeReadAndNotChanged) {
  write_file(path_of("file"), "content");
  write_file(path_of("lock"), "");
  ASSERT_EQ(::chmod(path_of("file").c_str(), 0444), 0);
  ASSERT_EQ(::chmod(path_of("lock").c_str(), 0444), 0);
  ASSERT_EQ(::chmod(temporary_.path().c_str(), 0555), 0);
  run_as_user([&] {
    const auto directory = must(open_posix_directory(temporary_.path(), OpenDirectory::kMustExist));
    EXPECT_THAT(must(directory->list()), ElementsAre("file", "lock"));
    EXPECT_EQ(content_of(*must(directory->open("file", OpenFile::kRead))), "content");
    EXPECT_TRUE(directory->lock_shared("lock").ok());
    EXPECT_EQ(directory->open("file", OpenFile::kReadWrite).code(), Code::kPermission);
    EXPECT_EQ(directory->open("new", OpenFile::kCreateNew).code(), Code::kPermission);
    EXPECT_EQ(directory->remove("file").code(), Code::kPermission);
    EXPECT_EQ(directory->rename("file", "other").code(), Code::kPermission);
    EXPECT_EQ(directory->lock("lock").code(), Code::kPermission);
    EXPECT_EQ(directory->lock("other").code(), Code::kPermission);
    EXPECT_TRUE(open_posix_directory(temporary_.path(), OpenDirectory::kCreate).ok());
  });
  ASSERT_EQ(::chmod(temporary_.path().c_str(), 0700), 0);
}

TEST_F(PosixFileSystemTest, OnlyRegularFilesAreOpened) {
  write_file(path_of("target"), "secret");
  std::filesystem::create_symlink("target", path_of("link"));
  std::filesystem::create_directory(path_of("directory"));
  ASSERT_EQ(::mkfifo(path_of("fifo").c_str(), 0600), 0);
  const auto directory = open();
  for (const char* name : {"link", "directory", "fifo"}) {
    EXPECT_EQ(directory->open(name, OpenFile::kRead).code(), Code::kPermission) << name;
    EXPECT_EQ(directory->open(name, OpenFile::kReadWrite).code(), Code::kPermission) << name;
    EXPECT_EQ(directory->lock(name).code(), Code::kPermission) << name;
    EXPECT_EQ(directory->lock_shared(name).code(), Code::kPermission) << name;
    EXPECT_EQ(directory->read_lock_holder(name).code(), Code::kPermission) << name;
    EXPECT_EQ(directory->open(name, OpenFile::kCreateNew).code(), Code::kIoError) << name;
  }
  EXPECT_THAT(directory->open("link", OpenFile::kRead).status().message(), HasSubstr("symbolic link"));
  EXPECT_THAT(directory->open("fifo", OpenFile::kRead).status().message(), HasSubstr("not a regular file"));
  EXPECT_EQ(directory->remove("directory").code(), Code::kPermission);
}

/// While it lives, no new descriptor can be had.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit none{0, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoMoreDescriptors() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }
  NoMoreDescriptors(const NoMoreDescriptors&) = delete;
  NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST_F(PosixFileSystemTest, WithoutDescriptorsNothingNewOpensAndWhatIsOpenWorks) {
  const auto directory = open();
  const auto file = must(directory->open("open", OpenFile::kCreateNew));
  const auto lock = must(directory->lock("lock"));
  {
    const NoMoreDescriptors none;
    const auto refused = directory->open("new", OpenFile::kCreateNew);
    EXPECT_EQ(refused.code(), Code::kIoError);
    EXPECT_THAT(refused.status().message(), HasSubstr("ulimit -n"));
    EXPECT_EQ(directory->list().code(), Code::kIoError);
    EXPECT_EQ(directory->lock("other").code(), Code::kIoError);
    EXPECT_EQ(directory->lock("lock").code(), Code::kIoError);
    EXPECT_EQ(open_posix_directory(temporary_.path(), OpenDirectory::kMustExist).code(), Code::kIoError);

    EXPECT_TRUE(file->write_at(0, bytes_of("still works")).ok());
    EXPECT_TRUE(file->sync().ok());
    EXPECT_TRUE(directory->sync().ok());
    EXPECT_TRUE(directory->rename("open", "renamed").ok());
    EXPECT_TRUE(lock->still_held().ok());
  }
  EXPECT_THAT(must(directory->list()), ElementsAre("lock", "renamed"));
}

TEST_F(PosixFileSystemTest, AStrayPrintNeverLandsInAFile) {
  run_in_child([&] {
    const int keep = ::fcntl(STDOUT_FILENO, F_DUPFD, 100);
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::close(standard);
    const auto directory = open();
    const auto file = must(directory->open("file", OpenFile::kCreateNew));
    const auto lock = must(directory->lock("lock"));
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
      EXPECT_EQ(::fcntl(standard, F_GETFD), -1) << standard;
    }
    ::dup2(keep, STDOUT_FILENO);
  });
}

TEST_F(PosixFileSystemTest, DescriptorsAreNotHandedToOtherPrograms) {
  const auto directory = open();
  const auto file = must(directory->open("file", OpenFile::kCreateNew));
  const auto lock = must(directory->lock("lock"));
  int ours = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (gone || target.rfind(temporary_.path(), 0) != 0) continue;
    ++ours;
    EXPECT_EQ(::fcntl(std::stoi(entry.path().filename()), F_GETFD), FD_CLOEXEC) << target;
  }
  EXPECT_EQ(ours, 3);
}

// A program that used the library was killed by SIGXFSZ: the signal comes with the error unless somebody ignores it.
TEST_F(PosixFileSystemTest, AFileSizeLimitIsAFullDisk) {
  run_in_child([&] {
    ::signal(SIGXFSZ, SIG_DFL);
    const auto lock = must(open()->lock("lock"));
    const auto file = must(open()->open("file", OpenFile::kCreateNew));
    const rlimit limit{8192, RLIM_INFINITY};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    EXPECT_EQ(file->allocate(16384).code(), Code::kDiskFull);
    EXPECT_EQ(must(file->size()), 0U);
    const Status too_long = file->write_at(0, bytes_of(std::string(16384, 'x')));
    EXPECT_EQ(too_long.code(), Code::kDiskFull);
    EXPECT_THAT(too_long.message(), HasSubstr("ulimit -f"));
    EXPECT_EQ(file->write_at(8190, bytes_of("over")).code(), Code::kDiskFull);
    EXPECT_EQ(file->truncate(16384).code(), Code::kDiskFull);
    EXPECT_TRUE(file->write_at(0, bytes_of("fits")).ok());
    EXPECT_TRUE(file->write_at(8188, bytes_of("fits")).ok());
    EXPECT_TRUE(file->allocate(8192).ok());
    const rlimit nothing{2, RLIM_INFINITY};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &nothing), 0);
    EXPECT_EQ(lock->describe_holder("who").code(), Code::kDiskFull);
    EXPECT_TRUE(file->allocate(8192).ok()) << "it has that length";
    EXPECT_TRUE(file->truncate(4096).ok());
  });
}

TEST_F(PosixFileSystemTest, AShorterFileThanExpectedIsNotMapped) {
  const auto file = must(open()->open("file", OpenFile::kCreateNew));
  ASSERT_TRUE(file->allocate(4096).ok());
  EXPECT_EQ(file->map(8192).code(), Code::kIoError);
}

TEST_F(PosixFileSystemTest, AllocateReservesBlocks) {
  const auto file = must(open()->open("file", OpenFile::kCreateNew));
  ASSERT_TRUE(file->allocate(1 << 20).ok());
  struct stat status {};
  ASSERT_EQ(::stat(path_of("file").c_str(), &status), 0);
  if (file->can_map()) {
    EXPECT_GE(status.st_blocks * 512, 1 << 20);
  }
}

TEST_F(PosixFileSystemTest, AFullDiskIsReportedAndWritingGoesOnWhenThereIsRoom) {
  with_tmpfs(temporary_.path(), "256k", [&] {
    const auto directory = open();
    const auto file = must(directory->open("file", OpenFile::kCreateNew));
    ASSERT_TRUE(file->allocate(4096).ok());
    EXPECT_EQ(file->allocate(1 << 20).code(), Code::kDiskFull);
    EXPECT_EQ(must(file->size()), 4096U);
    EXPECT_TRUE(file->allocate(128 << 10).ok()) << "a failed reservation kept the disk full";

    const auto filler = must(directory->open("filler", OpenFile::kCreateNew));
    const Status full = filler->write_at(0, bytes_of(std::string(256 << 10, 'x')));
    EXPECT_EQ(full.code(), Code::kDiskFull);
    EXPECT_THAT(full.message(), HasSubstr("Make room on the device"));
    ASSERT_TRUE(filler->truncate(0).ok());
    EXPECT_TRUE(filler->write_at(0, bytes_of("room")).ok());
  });
}

TEST_F(PosixFileSystemTest, TmpfsSaysThatItForgets) {
  with_tmpfs(temporary_.path(), "256k", [&] {
    const FileSystemKind kind = must(open()->kind());
    EXPECT_EQ(kind.name, "tmpfs");
    EXPECT_TRUE(kind.volatile_);
    EXPECT_FALSE(kind.network);
  });
}

TEST_F(PosixFileSystemTest, ReadOnlyStorageCanBeReadAndNotChanged) {
  with_tmpfs(temporary_.path(), "256k", [&] {
    {
      const auto directory = open();
      ASSERT_TRUE(must(directory->open("file", OpenFile::kCreateNew))->write_at(0, bytes_of("content")).ok());
      must(directory->lock("lock"));
    }
    ASSERT_EQ(::mount(nullptr, temporary_.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
    const auto directory = open();
    EXPECT_EQ(content_of(*must(directory->open("file", OpenFile::kRead))), "content");
    EXPECT_TRUE(directory->lock_shared("lock").ok());
    const auto refused = directory->open("new", OpenFile::kCreateNew);
    EXPECT_EQ(refused.code(), Code::kPermission);
    EXPECT_THAT(refused.status().message(), HasSubstr("The file system is read-only"));
    EXPECT_EQ(directory->lock("lock").code(), Code::kPermission);
    EXPECT_EQ(directory->remove("file").code(), Code::kPermission);
  });
}

TEST(FileSystemKindTest, KnowsNetworkAndVolatileOnes) {
  for (const std::uint32_t network :
       {0x6969U, 0x517BU, 0xFF534D42U, 0xFE534D42U, 0x5346414FU, 0x00C36400U, 0x01021997U}) {
    EXPECT_TRUE(file_system_of_magic(network).kind.network) << network;
    EXPECT_FALSE(file_system_of_magic(network).reserves_blocks) << network;
  }
  for (const std::uint32_t reserving : {0xEF53U, 0x01021994U}) {
    EXPECT_TRUE(file_system_of_magic(reserving).reserves_blocks) << reserving;
    EXPECT_FALSE(file_system_of_magic(reserving).kind.network) << reserving;
  }
  EXPECT_TRUE(file_system_of_magic(0x858458F6).kind.volatile_);
  const FileSystemKind fuse = file_system_of_magic(0x65735546).kind;
  EXPECT_EQ(fuse.name, "fuse");
  EXPECT_FALSE(fuse.network);
  EXPECT_EQ(file_system_of_magic(0xABCDEF).kind.name, "0xabcdef");
}

// A store through a map killed the process (SIGBUS) on a full disk: blocks that `cp` had made two files share need new
// ones when either file is written. So nothing is mapped but where that is known to be impossible.
TEST(FileSystemKindTest, NothingIsMappedWhereFilesMayShareBlocks) {
  for (const std::uint32_t other : {0x58465342U, 0x9123683EU, 0x2FC12FC1U, 0xCA451A4EU, 0xF2F52010U, 0x794C7630U,
                                    0x65735546U, 0x7461636FU, 0x52654973U, 0xABCDEFU}) {
    EXPECT_FALSE(file_system_of_magic(other).reserves_blocks) << other;
  }
}

// A directory on FUSE was opened in silence, though a program far away may keep it.
TEST(FileSystemKindTest, KnowsWhatItDoesNotKnow) {
  for (const std::uint32_t uncertain : {0x65735546U, 0x4D44U, 0x2011BAB0U, 0xABCDEFU}) {
    EXPECT_TRUE(file_system_of_magic(uncertain).kind.uncertain) << uncertain;
  }
  for (const std::uint32_t known : {0xEF53U, 0x58465342U, 0x9123683EU, 0x01021994U, 0x794C7630U, 0x6969U}) {
    EXPECT_FALSE(file_system_of_magic(known).kind.uncertain) << known;
  }
}

TEST_F(PosixFileSystemTest, NothingIsMappedWhenAsked) {
  with_tmpfs(temporary_.path(), "256k", [&] {
    for (const MapFiles map : {MapFiles::kWhereSafe, MapFiles::kNever}) {
      const auto directory = must(open_posix_directory(temporary_.path(), OpenDirectory::kMustExist, map));
      const std::string name = map == MapFiles::kNever ? "written" : "mapped";
      EXPECT_EQ(must(directory->open(name, OpenFile::kCreateNew))->can_map(), map == MapFiles::kWhereSafe);
    }
  });
}

}  // namespace
}  // namespace flint::io
