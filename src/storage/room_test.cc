#include <algorithm>

#include "storage/files.h"
#include "testing/test_store.h"

/// How much room a store asks of the disk, and what it does when there is less.
namespace flint::storage {
namespace {

using testing::FaultyDisk;
using testing::History;
using testing::Survives;
using testing::TestStore;
using testing::tiny_options;

constexpr std::uint64_t kPage = 4096;

class RoomTest : public ::testing::Test {
 protected:
  TestStore& open(const StoreOptions& options = tiny_options()) {
    store_.reset();
    store_ = std::make_unique<TestStore>(disk_, options);
    const Status opened = store_->open();
    EXPECT_TRUE(opened.ok()) << opened.message();
    return *store_;
  }
  /// Sizes of the segments' files, oldest first.
  [[nodiscard]] std::vector<std::uint64_t> segment_sizes() const {
    std::vector<std::uint64_t> sizes;
    for (const std::string& name : disk_.names()) {
      if (classify(name).kind == FileKind::kSegment) sizes.push_back(disk_.content(name)->size());
    }
    return sizes;
  }

  FaultyDisk disk_;
  History history_;
  std::unique_ptr<TestStore> store_;
};

/// Twelve compactions of a single key left a log segment of 64 MiB: each one doubled it, however little was in it.
TEST_F(RoomTest, OnlyAFullSegmentIsFollowedByALargerOne) {
  TestStore& store = open();
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(store.append(history_, "one key").ok());
    ASSERT_TRUE(store->compact().ok());
    EXPECT_EQ(segment_sizes().back(), tiny_options().first_segment_bytes) << "after compaction " << i + 1;
  }
  std::uint64_t largest = 0;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(store.append(history_, std::string(100, 'x')).ok());
    largest = std::max(largest, segment_sizes().back());
  }
  EXPECT_EQ(largest, tiny_options().max_segment_bytes) << "a busy log still has few, large segments";
  ASSERT_TRUE(store->compact().ok());
  EXPECT_EQ(segment_sizes().back(), tiny_options().first_segment_bytes);
}

/// 507 with 10 MB free: the next segment wanted 64 MiB, all or nothing, and a compaction, which would have made room,
/// wanted one first.
TEST_F(RoomTest, ASegmentTakesTheRoomThatThereIs) {
  StoreOptions options = tiny_options();
  options.first_segment_bytes = 8 * kPage;
  options.max_segment_bytes = 32 * kPage;
  for (std::uint64_t pages = 0; pages <= 20; ++pages) {
    disk_ = FaultyDisk();
    history_ = {};
    TestStore& store = open(options);
    while (segment_sizes().size() < 2) ASSERT_TRUE(store.append(history_, std::string(1000, 'x')).ok());
    while (segment_sizes().size() < 3) {  // the one of 16 pages gets full
      disk_.set_capacity(disk_.used_bytes() + pages * kPage);
      if (!store.append(history_, std::string(1000, 'x')).ok()) break;
    }
    std::size_t more = 0;
    Status appended;
    for (; appended.ok(); ++more) appended = store.append(history_, std::string(1000, 'x'));
    ASSERT_EQ(appended.code(), Code::kDiskFull) << appended.message();
    const std::uint64_t left = *disk_.capacity() - disk_.used_bytes();
    EXPECT_LT(left, kPage) << "with " << pages << " pages free";
    ASSERT_TRUE(store.wait(history_).ok());

    disk_.set_capacity(disk_.used_bytes() + 3 * kPage);  // a segment, a snapshot of a page or two would not fit else
    store.owner.records.clear();                         // a small state
    const Status compacted = store->compact();
    ASSERT_TRUE(compacted.ok()) << compacted.message();
  }
}

/// After a kill, with less than 1 MiB free, the directory did not open: its next segment had to have that size.
TEST_F(RoomTest, ADirectoryOpensInAFewBlocks) {
  StoreOptions options = tiny_options();
  options.first_segment_bytes = 256 * kPage;
  TestStore& store = open(options);
  ASSERT_TRUE(store.append(history_, "one").ok());
  ASSERT_TRUE(store.wait(history_).ok());
  disk_ = disk_.crash(1, {.survives = Survives::kEverything});
  disk_.set_capacity(disk_.used_bytes() + 2 * kPage);  // for the segment and the manifest
  TestStore& again = open(options);
  ASSERT_TRUE(again.is_open());
  EXPECT_EQ(again.owner.records, history_.appended);
  EXPECT_TRUE(again.append(history_, "two").ok());
  EXPECT_TRUE(again.wait(history_).ok());
}

/// After a clean restart each check was 507 with megabytes free: the segment that was opened again wanted all of the
/// room back that its close had given away.
TEST_F(RoomTest, ASegmentThatIsOpenedAgainTakesTheRoomThatThereIs) {
  StoreOptions options = tiny_options();
  options.first_segment_bytes = 256 * kPage;
  options.max_segment_bytes = 256 * kPage;
  TestStore& store = open(options);
  ASSERT_TRUE(store.append(history_, "one").ok());
  ASSERT_TRUE(store->close().ok());
  TestStore& again = open(options);
  disk_.set_capacity(disk_.used_bytes());
  EXPECT_EQ(again.append(history_, "two").code(), Code::kDiskFull);
  disk_.set_capacity(disk_.used_bytes() + 2 * kPage);
  EXPECT_TRUE(again.append(history_, "two").ok());
  EXPECT_TRUE(again.wait(history_).ok());
  for (const Survives survives : {Survives::kOnlySynced, Survives::kRandom}) {
    TestStore after(disk_.crash(1, {.survives = survives}), options);
    ASSERT_TRUE(after.open().ok());
    EXPECT_EQ(after.owner.records, history_.appended);
  }
}

/// The message of a full disk told people to look at "log-next.tmp", which was gone when they did.
TEST_F(RoomTest, MessagesNameAFileByTheNameThatItGets) {
  TestStore& store = open();
  ASSERT_TRUE(store.append(history_, "one").ok());
  disk_.set_capacity(disk_.used_bytes());
  Status full;
  for (int i = 0; i < 100 && full.ok(); ++i) full = store.append(history_, std::string(100, 'x'));
  ASSERT_EQ(full.code(), Code::kDiskFull);
  EXPECT_NE(full.message().find("/faulty/log-000000000002.flog:"), std::string::npos) << full.message();

  disk_.set_capacity({});
  ASSERT_TRUE(store.append(history_, std::string(100, 'x')).ok());
  disk_.fail_every(testing::Call::kWrite, {ENOSPC, {}});
  const Status no_snapshot = store->compact();
  EXPECT_EQ(no_snapshot.message().find(".tmp"), std::string::npos) << no_snapshot.message();
  disk_.stop_failing();
  ASSERT_TRUE(store.append(history_, "one more").ok());
  disk_.fail_every(testing::Call::kSync);
  const Status not_synced = store.wait(history_);
  EXPECT_NE(not_synced.message().find("/faulty/log-000000000002.flog:"), std::string::npos) << not_synced.message();
}

/// After each kill, a segment kept all the room that had been reserved for it, up to 64 MiB, until two compactions
/// later.
TEST_F(RoomTest, WhatAKillLeavesOfASegmentIsGivenBack) {
  for (std::uint64_t kills = 1; kills <= 5; ++kills) {
    TestStore& store = open();
    ASSERT_TRUE(store.append(history_, "one").ok());
    ASSERT_TRUE(store.wait(history_).ok());
    std::vector<std::uint64_t> sizes = segment_sizes();
    sizes.pop_back();
    for (const std::uint64_t size : sizes) EXPECT_LT(size, 300U) << "after " << kills;
    disk_ = disk_.crash(kills, {.survives = Survives::kRandom});
    history_.appended = [this] {
      TestStore& after = open();
      EXPECT_TRUE(history_.explains(after.owner.records));
      return after.owner.records;
    }();
  }
}

/// Each crash left another tail- file, for ever.
TEST_F(RoomTest, OnlyTheNewestTailsAreKept) {
  ASSERT_TRUE(open()->close().ok());
  for (std::uint64_t segment = 1; segment <= 7; ++segment) disk_.put(tail_name(segment, 4096), "a copy");
  ASSERT_TRUE(open()->close().ok());
  std::vector<std::string> tails = disk_.names();
  std::erase_if(tails, [](const std::string& name) { return classify(name).kind != FileKind::kTail; });
  EXPECT_EQ(tails,
            (std::vector<std::string>{tail_name(4, 4096), tail_name(5, 4096), tail_name(6, 4096), tail_name(7, 4096)}));
}

}  // namespace
}  // namespace flint::storage
