#include "io/file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <thread>

#include "io/memory_file_system.h"
#include "io/posix_file_system.h"
#include "testing/faulty_file_system.h"
#include "testing/files.h"

/// What every implementation of the interface does alike.
namespace flint::io {
namespace {

using testing::bytes_of;
using testing::content_of;
using ::testing::ElementsAre;
using testing::FaultyDisk;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::must;
using testing::TemporaryDirectory;

/// A place that directories are opened on, each as if by another process.
class Place {
 public:
  virtual ~Place() = default;
  virtual std::unique_ptr<Directory> directory() = 0;
};

class PosixPlace final : public Place {
 public:
  std::unique_ptr<Directory> directory() override {
    return must(open_posix_directory(temporary_.path(), OpenDirectory::kMustExist));
  }

 private:
  TemporaryDirectory temporary_;
};

class MemoryPlace final : public Place {
 public:
  std::unique_ptr<Directory> directory() override { return disk_.directory(); }

 private:
  MemoryDisk disk_;
};

class FaultyPlace final : public Place {
 public:
  std::unique_ptr<Directory> directory() override { return disk_.directory(); }

 private:
  FaultyDisk disk_;
};

struct Implementation {
  std::string name;
  std::function<std::unique_ptr<Place>()> make;
};

class FileSystemTest : public ::testing::TestWithParam<Implementation> {
 protected:
  std::unique_ptr<File> create(std::string_view name, std::string_view text = "") {
    std::unique_ptr<File> file = must(directory_->open(name, OpenFile::kCreateNew));
    EXPECT_TRUE(file->write_at(0, bytes_of(text)).ok());
    return file;
  }
  std::string read(std::string_view name) { return content_of(*must(directory_->open(name, OpenFile::kRead))); }

  std::unique_ptr<Place> place_ = GetParam().make();
  std::unique_ptr<Directory> directory_ = place_->directory();
};

TEST_P(FileSystemTest, ReadsWhatWasWritten) {
  const std::unique_ptr<File> file = create("a", "hello");
  ASSERT_TRUE(file->write_at(3, bytes_of("p!!")).ok());
  EXPECT_EQ(content_of(*file), "help!!");
  EXPECT_EQ(read("a"), "help!!");
}

TEST_P(FileSystemTest, ReadsLessOnlyAtTheEnd) {
  const std::unique_ptr<File> file = create("a", "hello");
  std::string buffer(8, '-');
  EXPECT_EQ(must(file->read_at(2, std::as_writable_bytes(std::span(buffer)))), 3U);
  EXPECT_EQ(buffer, "llo-----");
  EXPECT_EQ(must(file->read_at(5, std::as_writable_bytes(std::span(buffer)))), 0U);
  EXPECT_EQ(must(file->read_at(1 << 20, std::as_writable_bytes(std::span(buffer)))), 0U);
}

TEST_P(FileSystemTest, AWritePastTheEndLeavesZerosBetween) {
  const std::unique_ptr<File> file = create("a", "x");
  ASSERT_TRUE(file->write_at(4, bytes_of("y")).ok());
  EXPECT_EQ(content_of(*file), std::string("x\0\0\0y", 5));
}

/// A file of a terabyte of holes kept every reader busy for minutes. What is skipped is never anything but zeros, and
/// where holes are not known, nothing is skipped.
TEST_P(FileSystemTest, NextDataSkipsNothingButZeros) {
  constexpr std::uint64_t kEnd = std::uint64_t{8} << 20;
  const std::vector<std::uint64_t> places = {0, 5000, 1 << 20, (4 << 20) - 1, kEnd - 1};
  const std::unique_ptr<File> file = create("a");
  ASSERT_TRUE(file->truncate(kEnd).ok());
  for (const std::uint64_t place : places) ASSERT_TRUE(file->write_at(place, bytes_of("x")).ok());
  const std::unique_ptr<File> reader = must(directory_->open("a", OpenFile::kRead));
  for (std::uint64_t offset = 0; offset < kEnd; offset += 4096 + 512) {
    const std::uint64_t data = must(reader->next_data(offset));
    const auto next = std::lower_bound(places.begin(), places.end(), offset);
    EXPECT_GE(data, offset);
    EXPECT_LE(data, *next) << offset;
  }
  EXPECT_EQ(must(reader->next_data(places[1])), places[1]);
  EXPECT_EQ(must(reader->next_data(kEnd)), kEnd);
  ASSERT_TRUE(file->truncate(5001).ok());
  EXPECT_EQ(must(reader->next_data(5000)), 5000U);
  EXPECT_EQ(must(reader->next_data(5001)), 5001U);
}

/// Records in reserved room that only a map has been told of: to skip them would lose them.
TEST_P(FileSystemTest, WhatWasStoredThroughAMapIsData) {
  const std::unique_ptr<File> file = create("a");
  ASSERT_TRUE(file->allocate(1 << 20).ok());
  if (!file->can_map()) return;
  const std::span<std::byte> map = must(file->map(1 << 20));
  map[500'000] = std::byte{1};
  const std::unique_ptr<File> reader = must(directory_->open("a", OpenFile::kRead));
  EXPECT_LE(must(reader->next_data(400'000)), 500'000U);
  EXPECT_EQ(must(reader->next_data(500'000)), 500'000U);
}

TEST_P(FileSystemTest, KnowsAFileByWhatItIsAndNotByItsName) {
  const std::unique_ptr<File> file = create("a", "x");
  EXPECT_EQ(must(file->id()), must(directory_->id_of("a")));
  ASSERT_TRUE(directory_->rename("a", "b").ok());
  EXPECT_EQ(must(file->id()), must(directory_->id_of("b")));
  EXPECT_EQ(directory_->id_of("a").code(), Code::kNotFound);
  ASSERT_TRUE(directory_->remove("b").ok());
  const std::unique_ptr<File> other = create("b", "x");
  EXPECT_NE(must(file->id()), must(directory_->id_of("b")));
}

TEST_P(FileSystemTest, AnEmptyWriteChangesNothing) {
  const std::unique_ptr<File> file = create("a", "x");
  ASSERT_TRUE(file->write_at(100, {}).ok());
  EXPECT_EQ(must(file->size()), 1U);
}

TEST_P(FileSystemTest, GrowsOverManyPages) {
  const std::unique_ptr<File> file = create("a");
  std::string expected;
  for (int i = 0; i < 50; ++i) {
    const std::string piece(1000 + static_cast<std::size_t>(i) * 37, static_cast<char>('a' + i % 26));
    ASSERT_TRUE(file->write_at(expected.size(), bytes_of(piece)).ok());
    expected += piece;
  }
  EXPECT_EQ(content_of(*file), expected);
}

TEST_P(FileSystemTest, AllocateExtendsWithZerosAndNeverShortens) {
  const std::unique_ptr<File> file = create("a", "abc");
  ASSERT_TRUE(file->allocate(6).ok());
  EXPECT_EQ(content_of(*file), std::string("abc\0\0\0", 6));
  ASSERT_TRUE(file->allocate(2).ok());
  ASSERT_TRUE(file->allocate(0).ok());
  EXPECT_EQ(must(file->size()), 6U);
}

TEST_P(FileSystemTest, TruncateCutsAndWhatIsAddedLaterIsZero) {
  const std::unique_ptr<File> file = create("a", "secret");
  ASSERT_TRUE(file->truncate(2).ok());
  EXPECT_EQ(content_of(*file), "se");
  ASSERT_TRUE(file->truncate(4).ok());
  EXPECT_EQ(content_of(*file), std::string("se\0\0", 4));
}

TEST_P(FileSystemTest, StoresThroughTheMapAreReadAtOnce) {
  const std::unique_ptr<File> file = create("a", "0123456789");
  ASSERT_TRUE(file->allocate(8192).ok());
  ASSERT_TRUE(file->can_map());
  const std::span<std::byte> map = must(file->map(8192));
  ASSERT_EQ(map.size(), 8192U);
  EXPECT_EQ(std::memcmp(map.data(), "0123456789", 10), 0);
  std::memcpy(map.data() + 5000, "stored", 6);
  ASSERT_TRUE(file->sync().ok());

  std::string seen(6, '-');
  const std::unique_ptr<File> reader = must(place_->directory()->open("a", OpenFile::kRead));
  EXPECT_EQ(must(reader->read_at(5000, std::as_writable_bytes(std::span(seen)))), 6U);
  EXPECT_EQ(seen, "stored");
}

TEST_P(FileSystemTest, WritesAreSeenThroughTheMap) {
  const std::unique_ptr<File> file = create("a");
  ASSERT_TRUE(file->allocate(4096).ok());
  const std::span<std::byte> map = must(file->map(4096));
  ASSERT_TRUE(file->write_at(10, bytes_of("written")).ok());
  EXPECT_EQ(std::memcmp(map.data() + 10, "written", 7), 0);
}

TEST_P(FileSystemTest, AMapStaysWhereItIsWhenTheFileGrows) {
  const std::unique_ptr<File> file = create("a");
  ASSERT_TRUE(file->allocate(4096).ok());
  const std::span<std::byte> map = must(file->map(4096));
  std::memcpy(map.data(), "before", 6);
  ASSERT_TRUE(file->allocate(1 << 20).ok());
  ASSERT_TRUE(file->write_at((1 << 20) + 5, bytes_of("far")).ok());
  std::memcpy(map.data() + 6, "after", 5);
  std::string seen(11, '-');
  ASSERT_EQ(must(file->read_at(0, std::as_writable_bytes(std::span(seen)))), 11U);
  EXPECT_EQ(seen, "beforeafter");
}

TEST_P(FileSystemTest, AFileThatGrewInPiecesMapsAsOne) {
  const std::unique_ptr<File> file = create("a");
  std::string expected;
  while (expected.size() < 100'000) {
    const std::string piece = std::to_string(expected.size()) + ",";
    ASSERT_TRUE(file->write_at(expected.size(), bytes_of(piece)).ok());
    expected += piece;
  }
  const std::span<std::byte> map = must(file->map(expected.size()));
  EXPECT_EQ(std::memcmp(map.data(), expected.data(), expected.size()), 0);
}

TEST_P(FileSystemTest, WhatWasStoredThroughAMapOutlivesIt) {
  {
    const std::unique_ptr<File> file = create("a");
    ASSERT_TRUE(file->allocate(4096).ok());
    std::memcpy(must(file->map(4096)).data(), "kept", 4);
  }
  EXPECT_EQ(read("a").substr(0, 4), "kept");
  const std::unique_ptr<File> again = must(directory_->open("a", OpenFile::kReadWrite));
  EXPECT_EQ(std::memcmp(must(again->map(4096)).data(), "kept", 4), 0);
}

TEST_P(FileSystemTest, SyncsAndReadsRunBesideStores) {
  constexpr std::size_t kSize = 16384;
  const std::unique_ptr<File> file = create("a");
  ASSERT_TRUE(file->allocate(kSize).ok());
  const std::span<std::byte> map = must(file->map(kSize));
  const std::unique_ptr<File> reader = must(directory_->open("a", OpenFile::kRead));
  std::atomic<bool> stored{false};
  std::thread other([&] {
    std::string buffer(kSize, '\0');
    do {
      EXPECT_TRUE(file->sync().ok());
      EXPECT_EQ(must(reader->read_at(0, std::as_writable_bytes(std::span(buffer)))), kSize);
    } while (!stored);
  });
  for (std::size_t at = 0; at < kSize; ++at) map[at] = static_cast<std::byte>(at % 251);
  for (std::uint64_t at = 0; at < 100; ++at) EXPECT_TRUE(file->write_at(at * 8, bytes_of("written")).ok());
  stored = true;
  other.join();
  EXPECT_EQ(content_of(*reader).substr(792, 7), "written");
  EXPECT_EQ(map[kSize - 1], static_cast<std::byte>((kSize - 1) % 251));
}

TEST_P(FileSystemTest, AFileOpenedForReadingCannotBeChanged) {
  create("a", "abc");
  const std::unique_ptr<File> file = must(directory_->open("a", OpenFile::kRead));
  EXPECT_FALSE(file->write_at(0, bytes_of("x")).ok());
  EXPECT_FALSE(file->truncate(0).ok());
  EXPECT_FALSE(file->allocate(4096).ok());
  EXPECT_FALSE(file->map(3).ok());
  EXPECT_EQ(content_of(*file), "abc");
}

TEST_P(FileSystemTest, OpeningWhatIsNotThereIsNotFoundAndCreatesNothing) {
  EXPECT_EQ(directory_->open("a", OpenFile::kRead).code(), Code::kNotFound);
  EXPECT_EQ(directory_->open("a", OpenFile::kReadWrite).code(), Code::kNotFound);
  EXPECT_THAT(must(directory_->list()), IsEmpty());
}

TEST_P(FileSystemTest, CreatingWhatIsThereFailsAndLeavesItAlone) {
  create("a", "mine");
  const auto second = directory_->open("a", OpenFile::kCreateNew);
  EXPECT_EQ(second.code(), Code::kIoError);
  EXPECT_THAT(second.status().message(), HasSubstr(directory_->path() + "/a"));
  EXPECT_EQ(read("a"), "mine");
}

TEST_P(FileSystemTest, NamesThatLeaveTheDirectoryAreRefused) {
  create("a", "x");
  for (const std::string_view name : {"", ".", "..", "b/c", "/etc/passwd", "../a"}) {
    EXPECT_EQ(directory_->open(name, OpenFile::kRead).code(), Code::kInvalidArgument) << name;
    EXPECT_EQ(directory_->open(name, OpenFile::kCreateNew).code(), Code::kInvalidArgument) << name;
    EXPECT_EQ(directory_->rename("a", name).code(), Code::kInvalidArgument) << name;
    EXPECT_EQ(directory_->rename(name, "a").code(), Code::kInvalidArgument) << name;
    EXPECT_EQ(directory_->remove(name).code(), Code::kInvalidArgument) << name;
    EXPECT_EQ(directory_->lock(name).code(), Code::kInvalidArgument) << name;
  }
  EXPECT_EQ(directory_->open(std::string(300, 'n'), OpenFile::kCreateNew).code(), Code::kInvalidArgument);
  EXPECT_THAT(must(directory_->list()), ElementsAre("a"));
}

TEST_P(FileSystemTest, ListsNamesInOrder) {
  for (const char* name : {"b", "a", "c"}) create(name);
  EXPECT_THAT(must(directory_->list()), ElementsAre("a", "b", "c"));
  EXPECT_THAT(must(place_->directory()->list()), ElementsAre("a", "b", "c"));
}

TEST_P(FileSystemTest, RenameReplacesTheTarget) {
  create("new", "new");
  create("old", "old");
  ASSERT_TRUE(directory_->rename("new", "old").ok());
  ASSERT_TRUE(directory_->sync().ok());
  EXPECT_THAT(must(directory_->list()), ElementsAre("old"));
  EXPECT_EQ(read("old"), "new");
}

TEST_P(FileSystemTest, RenameToItselfChangesNothing) {
  create("a", "x");
  ASSERT_TRUE(directory_->rename("a", "a").ok());
  EXPECT_EQ(read("a"), "x");
}

TEST_P(FileSystemTest, RenamingOrRemovingWhatIsNotThereIsNotFound) {
  create("b", "x");
  EXPECT_EQ(directory_->rename("a", "b").code(), Code::kNotFound);
  EXPECT_EQ(directory_->remove("a").code(), Code::kNotFound);
  EXPECT_EQ(read("b"), "x");
}

TEST_P(FileSystemTest, AnOpenFileSurvivesItsName) {
  const std::unique_ptr<File> removed = create("a", "still here");
  const std::unique_ptr<File> replaced = create("b", "replaced");
  create("c", "new");
  ASSERT_TRUE(directory_->remove("a").ok());
  ASSERT_TRUE(directory_->rename("c", "b").ok());
  EXPECT_EQ(content_of(*removed), "still here");
  EXPECT_EQ(content_of(*replaced), "replaced");
  ASSERT_TRUE(removed->write_at(0, bytes_of("STILL")).ok());
  EXPECT_EQ(content_of(*removed), "STILL here");
  EXPECT_EQ(read("b"), "new");
}

TEST_P(FileSystemTest, OnlyOneHoldsTheLock) {
  const std::unique_ptr<Directory> other = place_->directory();
  std::unique_ptr<DirectoryLock> lock = must(directory_->lock("lock"));
  EXPECT_TRUE(lock->still_held().ok());
  EXPECT_EQ(directory_->lock("lock").code(), Code::kDataDirLocked);
  EXPECT_EQ(other->lock("lock").code(), Code::kDataDirLocked);
  EXPECT_EQ(other->lock_shared("lock").code(), Code::kDataDirLocked);
  lock.reset();
  EXPECT_TRUE(other->lock("lock").ok());
}

TEST_P(FileSystemTest, ReadersShareTheLockAndKeepWritersOut) {
  EXPECT_EQ(directory_->lock_shared("lock").code(), Code::kNotFound);
  EXPECT_THAT(must(directory_->list()), IsEmpty());
  must(directory_->lock("lock")).reset();
  std::unique_ptr<DirectoryLock> one = must(directory_->lock_shared("lock"));
  std::unique_ptr<DirectoryLock> two = must(place_->directory()->lock_shared("lock"));
  EXPECT_TRUE(one->still_held().ok());
  EXPECT_FALSE(one->describe_holder("x").ok());
  EXPECT_EQ(directory_->lock("lock").code(), Code::kDataDirLocked);
  one.reset();
  EXPECT_EQ(directory_->lock("lock").code(), Code::kDataDirLocked);
  two.reset();
  EXPECT_TRUE(directory_->lock("lock").ok());
}

TEST_P(FileSystemTest, TheLockOutlivesTheDirectoryHandle) {
  const std::unique_ptr<DirectoryLock> lock = must(place_->directory()->lock("lock"));
  EXPECT_TRUE(lock->still_held().ok());
  EXPECT_EQ(directory_->lock("lock").code(), Code::kDataDirLocked);
}

TEST_P(FileSystemTest, OthersReadWhatTheHolderSays) {
  EXPECT_EQ(directory_->read_lock_holder("lock").code(), Code::kNotFound);
  const std::unique_ptr<DirectoryLock> lock = must(directory_->lock("lock"));
  EXPECT_EQ(must(directory_->read_lock_holder("lock")), "");
  ASSERT_TRUE(lock->describe_holder("pid 12345, a server").ok());
  EXPECT_EQ(must(place_->directory()->read_lock_holder("lock")), "pid 12345, a server");
  ASSERT_TRUE(lock->describe_holder("pid 7").ok());
  EXPECT_EQ(must(directory_->read_lock_holder("lock")), "pid 7");
}

TEST_P(FileSystemTest, AnythingMayStandInALockFile) {
  std::string anything = "pid 1\n\x1b[31mred\x7f";
  create("lock", anything + std::string("\0hidden", 7));
  EXPECT_EQ(must(directory_->read_lock_holder("lock")), "pid 1\n?[31mred?");
  create("long", std::string(5000, 'x'));
  EXPECT_EQ(must(directory_->read_lock_holder("long")), std::string(1024, 'x'));
}

TEST_P(FileSystemTest, ADeletedLockFileIsNoticedByItsHolder) {
  const std::unique_ptr<DirectoryLock> lock = must(directory_->lock("lock"));
  ASSERT_TRUE(directory_->remove("lock").ok());
  EXPECT_EQ(lock->still_held().code(), Code::kStorageFailed);
}

TEST_P(FileSystemTest, AReplacedLockFileIsNoticedByItsHolder) {
  const std::unique_ptr<DirectoryLock> lock = must(directory_->lock("lock"));
  create("other");
  ASSERT_TRUE(directory_->rename("other", "lock").ok());
  EXPECT_EQ(lock->still_held().code(), Code::kStorageFailed);
  const std::unique_ptr<DirectoryLock> usurper = must(place_->directory()->lock("lock"));
  EXPECT_TRUE(usurper->still_held().ok());
  EXPECT_EQ(lock->still_held().code(), Code::kStorageFailed);
}

TEST_P(FileSystemTest, MessagesNameTheOperationThePathAndTheReason) {
  const Status status = directory_->open("missing", OpenFile::kRead).status();
  EXPECT_THAT(status.message(), HasSubstr("cannot open " + directory_->path() + "/missing: No such file"));
}

TEST_P(FileSystemTest, TheDirectorySaysWhereItIs) { EXPECT_NE(must(directory_->kind()).name, ""); }

INSTANTIATE_TEST_SUITE_P(All, FileSystemTest,
                         ::testing::Values(Implementation{"posix", [] { return std::make_unique<PosixPlace>(); }},
                                           Implementation{"memory", [] { return std::make_unique<MemoryPlace>(); }},
                                           Implementation{"faulty", [] { return std::make_unique<FaultyPlace>(); }}),
                         [](const auto& made) { return made.param.name; });

}  // namespace
}  // namespace flint::io
