#include <atomic>
#include <thread>

#include "storage/files.h"
#include "testing/test_store.h"

/// Files that are deleted under an open store although nobody writes to them any more: the next open needs them, and
/// noticed it only then, after any number of grants that it could not keep.
namespace flint::storage {
namespace {

using testing::History;
using testing::TestStore;
using testing::tiny_options;

class DeletedFilesTest : public ::testing::Test {
 protected:
  void SetUp() override { open(tiny_options()); }
  void open(const StoreOptions& options) {
    store_.reset();
    store_ = std::make_unique<TestStore>(disk_, options);
    ASSERT_TRUE(store_->open().ok());
  }
  void append(int records) {
    for (int i = 0; i < records; ++i) ASSERT_TRUE(store_->append(history_, std::string(100, 'x')).ok());
    ASSERT_TRUE(store_->wait(history_).ok());
  }
  [[nodiscard]] std::string last_segment() const {
    std::string last;
    for (const std::string& name : disk_.names()) {
      if (classify(name).kind == FileKind::kSegment) last = name;
    }
    return last;
  }
  void remove(const std::string& name) { ASSERT_TRUE(disk_.directory()->remove(name).ok()) << name; }
  void expect_failed(const std::string& name) {
    EXPECT_EQ((*store_)->tick().code(), Code::kStorageFailed);
    EXPECT_EQ((*store_)->health().code(), Code::kStorageFailed);
    EXPECT_NE((*store_)->health().message().find(name + " was deleted"), std::string::npos)
        << (*store_)->health().message();
    EXPECT_EQ(store_->append(history_, "more").code(), Code::kStorageFailed);
  }

  testing::FaultyDisk disk_;
  History history_;
  std::unique_ptr<TestStore> store_;
};

TEST_F(DeletedFilesTest, ASegmentThatIsComplete) {
  append(60);
  EXPECT_TRUE((*store_)->tick().ok());
  remove(segment_name(2));
  expect_failed(segment_name(2));
}

TEST_F(DeletedFilesTest, TheNewestSnapshot) {
  append(5);
  ASSERT_TRUE((*store_)->compact().ok());
  EXPECT_TRUE((*store_)->tick().ok());
  remove(snapshot_name(1));
  expect_failed(snapshot_name(1));
}

/// Without them the directory opens, and says that they are missing.
TEST_F(DeletedFilesTest, WhatOnlyAnOlderSnapshotNeedsIsNotMissed) {
  for (int i = 0; i < 3; ++i) {
    append(30);
    ASSERT_TRUE((*store_)->compact().ok());
  }
  for (const std::string& name : disk_.names()) {
    const FileName file = classify(name);
    if (file.kind == FileKind::kSnapshot && file.number < 3) remove(name);
    if (file.kind == FileKind::kSegment && name != last_segment()) remove(name);
  }
  EXPECT_TRUE((*store_)->tick().ok());
  ASSERT_TRUE((*store_)->compact().ok());
  EXPECT_TRUE((*store_)->tick().ok());
}

TEST_F(DeletedFilesTest, ASnapshotThatWasBadAtOpenIsNotMissed) {
  append(5);
  ASSERT_TRUE((*store_)->compact().ok());
  append(5);
  ASSERT_TRUE((*store_)->compact().ok());
  ASSERT_TRUE((*store_)->close().ok());
  remove(snapshot_name(2));
  open(tiny_options());
  EXPECT_TRUE((*store_)->stats().degraded);
  EXPECT_TRUE((*store_)->tick().ok());
}

/// Compactions remove files all the time, and none of that is a loss.
TEST_F(DeletedFilesTest, WhatACompactionRemovesIsNotMissed) {
  std::atomic<bool> done = false;
  std::thread looking([&] {
    while (!done) EXPECT_TRUE((*store_)->tick().ok());
  });
  for (int i = 0; i < 30; ++i) {
    append(20);
    EXPECT_TRUE((*store_)->compact().ok());
  }
  done = true;
  looking.join();
  EXPECT_TRUE((*store_)->health().ok());
}

TEST_F(DeletedFilesTest, IsNoticedWithoutAnythingBeingDone) {
  StoreOptions options = tiny_options();
  options.background = true;
  open(options);
  append(60);
  remove(segment_name(2));
  while ((*store_)->health().ok()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // on its own thread
  }
  EXPECT_EQ((*store_)->health().code(), Code::kStorageFailed);
}

}  // namespace
}  // namespace flint::storage
