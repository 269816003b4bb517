#include <algorithm>

#include "storage/file_names.h"
#include "storage/test_support.h"

/// How much room a store asks of the disk, and what it does when there is less.
namespace flint::storage {
namespace {

using io::FaultyDisk;

class RoomTest : public testing::Test {
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
  disk_.fail_every(io::Call::kWrite, {ENOSPC, {}});
  const Status no_snapshot = store->compact();
  EXPECT_EQ(no_snapshot.message().find(".tmp"), std::string::npos) << no_snapshot.message();
  disk_.stop_failing();
  ASSERT_TRUE(store.append(history_, "one more").ok());
  disk_.fail_every(io::Call::kSync);
  const Status not_synced = store.wait(history_);
  EXPECT_NE(not_synced.message().find("/faulty/log-000000000002.flog:"), std::string::npos) << not_synced.message();
}

}  // namespace
}  // namespace flint::storage
