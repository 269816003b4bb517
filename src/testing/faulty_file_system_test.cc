#include "testing/faulty_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "testing/files.h"

/// Calls that fail, a process that dies, a disk that fills up, and damage. What survives a power loss is in
/// power_loss_test.cc.
namespace flint::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr CrashPolicy kKilled{Survives::kEverything};
constexpr CrashPolicy kOnlySynced{Survives::kOnlySynced};

/// Every kind of call once, in order; stops at the first that fails.
Status call_everything(io::Directory& directory) {
  auto lock = directory.lock("lock");
  if (!lock.ok()) return lock.status();
  if (Status status = (*lock)->describe_holder("test"); !status.ok()) return status;
  auto file = directory.open("file", io::OpenFile::kCreateNew);
  if (!file.ok()) return file.status();
  if (Status status = (*file)->allocate(8192); !status.ok()) return status;
  const auto map = (*file)->map(8192);
  if (!map.ok()) return map.status();
  std::memcpy(map->data(), "mapped", 6);
  if (Status status = (*file)->write_at(4096, bytes_of("written")); !status.ok()) return status;
  if (Status status = (*file)->truncate(5000); !status.ok()) return status;
  if (Status status = (*file)->sync(); !status.ok()) return status;
  if (Status status = directory.rename("file", "renamed"); !status.ok()) return status;
  if (Status status = directory.sync(); !status.ok()) return status;
  return directory.remove("renamed");
}

const std::vector<CallRecord> kEveryCall = {
    {Call::kCreate, "lock"}, {Call::kDescribeHolder, "lock"}, {Call::kCreate, "file"},    {Call::kAllocate, "file"},
    {Call::kMap, "file"},    {Call::kWrite, "file"},          {Call::kTruncate, "file"},  {Call::kSync, "file"},
    {Call::kRename, "file"}, {Call::kSyncDirectory, ""},      {Call::kRemove, "renamed"},
};

TEST(FaultyDiskTest, CountsAndListsTheCallsThatTouchStorage) {
  const FaultyDisk disk;
  const auto directory = disk.directory();
  ASSERT_TRUE(call_everything(*directory).ok());
  must(directory->list());
  must(directory->read_lock_holder("lock"));
  EXPECT_EQ(disk.calls(), kEveryCall);
  EXPECT_EQ(disk.call_count(), kEveryCall.size());
}

TEST(FaultyDiskTest, EachCallCanFailAlone) {
  for (std::uint64_t number = 0; number < kEveryCall.size(); ++number) {
    FaultyDisk disk;
    disk.fail_call(number);
    const auto directory = disk.directory();
    const Status status = call_everything(*directory);
    EXPECT_EQ(status.code(), Code::kIoError) << number;
    EXPECT_THAT(status.message(), HasSubstr(std::string(call_name(kEveryCall[number].call)))) << number;
    EXPECT_EQ(disk.call_count(), number + 1);
    EXPECT_TRUE(directory->sync().ok()) << "only that call fails";
  }
}

TEST(FaultyDiskTest, AnUnreadableSectorStaysSoAndTheRestIsRead) {
  FaultyDisk disk;
  disk.put("file", std::string(2048, 'x'));
  ASSERT_TRUE(disk.make_unreadable("file", 512, 512).ok());
  for (const FaultyDisk& same : {disk, disk.crash(1)}) {
    const auto file = must(same.directory()->open("file", io::OpenFile::kRead));
    std::vector<std::byte> bytes(512);
    EXPECT_TRUE(file->read_at(0, bytes).ok());
    EXPECT_EQ(file->read_at(511, std::span(bytes).first(2)).code(), Code::kIoError);
    EXPECT_EQ(file->read_at(1023, std::span(bytes).first(1)).code(), Code::kIoError);
    EXPECT_TRUE(file->read_at(1024, bytes).ok());
  }
}

TEST(FaultyDiskTest, EveryCallOfAKindCanFailWithAnyError) {
  FaultyDisk disk;
  disk.fail_every(Call::kWrite, {ENOSPC, {}});
  const auto file = must(disk.directory()->open("file", io::OpenFile::kCreateNew));
  EXPECT_EQ(file->write_at(0, bytes_of("x")).code(), Code::kDiskFull);
  EXPECT_EQ(file->write_at(0, bytes_of("x")).code(), Code::kDiskFull);
  EXPECT_TRUE(file->sync().ok());
  EXPECT_EQ(must(disk.content("file")), "");
  disk.stop_failing();
  EXPECT_TRUE(file->write_at(0, bytes_of("x")).ok());
}

TEST(FaultyDiskTest, AFailedCallMayHaveBeenDoneInPart) {
  const std::string text(1000, 'x');
  std::set<std::size_t> lengths;
  std::set<std::vector<std::string>> names;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    FaultyDisk disk;
    disk.put("old", "");
    disk.fail_every(Call::kWrite, {EIO, seed});
    disk.fail_every(Call::kRename, {EIO, seed});
    const auto directory = disk.directory();
    EXPECT_FALSE(must(directory->open("file", io::OpenFile::kCreateNew))->write_at(0, bytes_of(text)).ok());
    EXPECT_FALSE(directory->rename("old", "new").ok());
    lengths.insert(must(disk.content("file")).size());
    names.insert(disk.names());
  }
  EXPECT_GT(lengths.size(), 10U);
  EXPECT_LE(*lengths.rbegin(), text.size());
  EXPECT_THAT(names, ElementsAre(std::vector<std::string>{"file", "new"}, std::vector<std::string>{"file", "old"}));
}

TEST(FaultyDiskTest, ReadsFailWhenTheyAreCounted) {
  FaultyDisk disk({.count_reads = true});
  disk.put("file", "content");
  const auto directory = disk.directory();
  const auto file = must(directory->open("file", io::OpenFile::kRead));
  EXPECT_EQ(content_of(*file), "content");
  must(directory->list());
  EXPECT_THAT(disk.calls(), ElementsAre(CallRecord{Call::kOpen, "file"}, CallRecord{Call::kRead, "file"},
                                        CallRecord{Call::kRead, "file"}, CallRecord{Call::kList, ""}));
  disk.fail_call(4);
  EXPECT_EQ(file->size().code(), Code::kIoError);
  disk.fail_every(Call::kOpen, {EMFILE, {}});
  EXPECT_EQ(directory->open("file", io::OpenFile::kRead).code(), Code::kIoError);
}

TEST(FaultyDiskTest, AProcessCanDieAtEachCall) {
  for (std::uint64_t number = 0; number < kEveryCall.size(); ++number) {
    FaultyDisk disk;
    disk.die_at(number);
    const auto directory = disk.directory();
    EXPECT_FALSE(disk.died());
    EXPECT_FALSE(call_everything(*directory).ok());
    EXPECT_TRUE(disk.died());
    disk.stop_failing();
    EXPECT_FALSE(directory->sync().ok()) << "it stays dead";
    EXPECT_FALSE(directory->list().ok()) << "a dead process reads nothing either";
    EXPECT_FALSE(directory->open("lock", io::OpenFile::kRead).ok());
    EXPECT_EQ(disk.call_count(), number + 1);

    const FaultyDisk after = disk.crash(0, kKilled);
    const bool renamed = number > 8;
    EXPECT_EQ(after.content("renamed").ok(), renamed && number <= 10) << number;
    EXPECT_EQ(after.content("file").ok(), number > 2 && !renamed) << number;
  }
}

TEST(FaultyDiskTest, StoresOfADeadProcessAreNotOnTheDisk) {
  FaultyDisk disk;
  const auto directory = disk.directory();
  const auto file = must(directory->open("file", io::OpenFile::kCreateNew));
  ASSERT_TRUE(file->allocate(4096).ok());
  const std::span<std::byte> map = must(file->map(4096));
  ASSERT_TRUE(directory->sync().ok());
  std::memcpy(map.data(), "alive", 5);
  disk.die_at(disk.call_count());
  EXPECT_FALSE(file->sync().ok());
  std::memcpy(map.data(), "ghost", 5);
  EXPECT_EQ(must(disk.crash(0, kKilled).content("file")).substr(0, 5), "alive");
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const std::string content = must(disk.crash(seed).content("file"));
    EXPECT_EQ(content.find("ghost"), std::string::npos);
  }
}

TEST(FaultyDiskTest, ADeadHoldersLockIsLost) {
  FaultyDisk disk;
  const auto directory = disk.directory();
  const auto lock = must(directory->lock("lock"));
  EXPECT_TRUE(lock->still_held().ok());
  disk.die_at(disk.call_count());
  EXPECT_FALSE(directory->sync().ok());
  EXPECT_EQ(lock->still_held().code(), Code::kStorageFailed);
  const FaultyDisk after = disk.crash(0, kKilled);
  EXPECT_TRUE(after.directory()->lock("lock").ok());
}

TEST(FaultyDiskTest, AFullDiskFailsUntilThereIsRoom) {
  FaultyDisk disk;
  disk.set_capacity(16384);
  const auto directory = disk.directory();
  auto file = must(directory->open("file", io::OpenFile::kCreateNew));
  ASSERT_TRUE(file->allocate(8192).ok());
  EXPECT_EQ(file->allocate(20000).code(), Code::kDiskFull);
  EXPECT_EQ(must(file->size()), 8192U);

  auto other = must(directory->open("other", io::OpenFile::kCreateNew));
  EXPECT_EQ(other->write_at(0, bytes_of(std::string(10000, 'x'))).code(), Code::kDiskFull);
  EXPECT_EQ(must(other->size()), 8192U) << "a write fills the disk before it fails";
  EXPECT_EQ(disk.used_bytes(), 16384U);
  EXPECT_TRUE(file->write_at(0, bytes_of("in place")).ok());
  EXPECT_EQ(file->truncate(9000).code(), Code::kDiskFull);

  ASSERT_TRUE(directory->remove("other").ok());
  EXPECT_EQ(disk.used_bytes(), 16384U) << "an open file keeps its room";
  other.reset();
  EXPECT_EQ(disk.used_bytes(), 8192U);
  EXPECT_TRUE(file->allocate(16384).ok());
  disk.set_capacity(std::nullopt);
  EXPECT_TRUE(file->allocate(1 << 20).ok());
}

TEST(FaultyDiskTest, MapsCanBeSwitchedOff) {
  const FaultyDisk disk({.can_map = false});
  EXPECT_FALSE(must(disk.directory()->open("file", io::OpenFile::kCreateNew))->can_map());
  EXPECT_FALSE(must(disk.crash(0).directory()->open("other", io::OpenFile::kCreateNew))->can_map());
}

TEST(FaultyDiskTest, DamageIsDurable) {
  FaultyDisk disk;
  disk.put("file", "0123456789");
  ASSERT_TRUE(disk.flip_bit("file", 8 * 3 + 1).ok());
  EXPECT_EQ(must(disk.content("file")), "0121456789");
  ASSERT_TRUE(disk.overwrite("file", 8, "XY").ok());
  ASSERT_TRUE(disk.cut("file", 9).ok());
  EXPECT_EQ(must(disk.crash(0, kOnlySynced).content("file")), "01214567X");
  disk.put("file", "again");
  EXPECT_EQ(must(disk.crash(0, kOnlySynced).content("file")), "again");

  EXPECT_EQ(disk.flip_bit("file", 8 * 5).code(), Code::kInvalidArgument);
  EXPECT_EQ(disk.overwrite("file", 4, "ab").code(), Code::kInvalidArgument);
  EXPECT_EQ(disk.cut("file", 6).code(), Code::kInvalidArgument);
  EXPECT_EQ(disk.cut("missing", 0).code(), Code::kNotFound);
  EXPECT_EQ(disk.content("missing").code(), Code::kNotFound);
}

}  // namespace
}  // namespace flint::testing
