#include <atomic>
#include <thread>

#include "io/memory_file_system.h"
#include "testing/test_store.h"

/// Everything at once, for ThreadSanitizer and for what only happens between threads.
namespace flint::storage {
namespace {

using testing::bytes_of;
using testing::Records;
using testing::TestOwner;

constexpr int kAppenders = 4;
constexpr int kRecordsEach = 3000;

class Crowd {
 public:
  explicit Crowd(SyncMode sync) : directory_(disk_.directory()) {
    options_.sync = sync;
    options_.flush_every = std::chrono::milliseconds(2);
    options_.first_segment_bytes = 4096;
    options_.max_segment_bytes = 65'536;
    options_.compact_after_bytes = 50'000;
  }

  void run() {
    Result<std::unique_ptr<Store>> opened = Store::open(*directory_, owner_, owner_.mutex, options_);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    store_ = std::move(*opened);
    std::vector<std::thread> threads;
    for (int i = 0; i < kAppenders; ++i) threads.emplace_back([this, i] { append(i); });
    std::thread reader([this] { read(); });
    std::thread compactor([this] { compact(); });
    for (std::thread& thread : threads) thread.join();
    done_ = true;
    reader.join();
    compactor.join();
    EXPECT_TRUE(store_->close().ok());
    EXPECT_EQ(callbacks_.load(), kAppenders * kRecordsEach / 10);
    const Records written = owner_.records;
    EXPECT_EQ(written.size(), static_cast<std::size_t>(kAppenders * kRecordsEach));
    TestOwner again;
    const Result<std::unique_ptr<Store>> reopened = Store::open(*directory_, again, again.mutex, options_);
    ASSERT_TRUE(reopened.ok()) << reopened.status().message();
    EXPECT_EQ(again.records, written);
  }

 private:
  void append(int thread) {
    for (int i = 0; i < kRecordsEach; ++i) {
      const std::string payload = std::to_string(thread) + ":" + std::to_string(i);
      Seq seq = 0;
      {
        base::MutexLock lock(owner_.mutex);
        const Result<Seq> appended = store_->append(1, bytes_of(payload));
        ASSERT_TRUE(appended.ok());
        seq = *appended;
        owner_.records[seq] = payload;
      }
      if (i % 10 == 0) {
        store_->when_durable(seq, [this, seq](const Status& status) {
          EXPECT_TRUE(status.ok());
          EXPECT_LE(seq, store_->durable_seq());
          ++callbacks_;
        });
      } else if (i % 10 == 5) {
        EXPECT_TRUE(store_->wait(seq).ok());
        EXPECT_LE(seq, store_->durable_seq());
      }
    }
  }
  void read() {
    while (!done_) {
      Seq last = 0;
      EXPECT_TRUE(store_
                      ->read_log(
                          [&last](const Record& record) {
                            EXPECT_GT(record.seq, last);
                            last = record.seq;
                            return true;
                          },
                          [] {})
                      .ok());
      EXPECT_TRUE(store_->health().ok());
      EXPECT_TRUE(store_->findings().size() <= 1);
      static_cast<void>(store_->stats());
    }
  }
  void compact() {
    while (!done_) {
      EXPECT_TRUE(store_->compact().ok());
      EXPECT_TRUE(store_->flush().ok());
      EXPECT_TRUE(store_->tick().ok());
    }
  }

  io::MemoryDisk disk_;
  std::unique_ptr<io::Directory> directory_;
  StoreOptions options_;
  TestOwner owner_;
  std::unique_ptr<Store> store_;
  std::atomic<bool> done_ = false;
  std::atomic<int> callbacks_ = 0;
};

TEST(Threads, AllAtOnceInAlways) { Crowd(SyncMode::kAlways).run(); }
TEST(Threads, AllAtOnceInBatch) { Crowd(SyncMode::kBatch).run(); }

TEST(Threads, TheBackgroundFlushesABatchByItself) {
  io::MemoryDisk disk;
  const auto directory = disk.directory();
  constexpr std::chrono::milliseconds kShort(1);
  constexpr std::chrono::milliseconds kLong(60'000);
  struct Bounds {
    std::uint64_t events;
    std::chrono::milliseconds flush_every;
    std::chrono::milliseconds max_unsynced;
  };
  for (const Bounds bounds :
       {Bounds{1, kLong, kLong}, Bounds{1'000'000, kShort, kLong}, Bounds{1'000'000, kLong, kShort}}) {
    StoreOptions options;
    options.sync = SyncMode::kBatch;
    options.flush_every = bounds.flush_every;
    options.flush_every_events = bounds.events;
    options.max_unsynced = bounds.max_unsynced;
    TestOwner owner;
    const Result<std::unique_ptr<Store>> store = Store::open(*directory, owner, owner.mutex, options);
    ASSERT_TRUE(store.ok());
    for (int i = 0; i < 5; ++i) {
      Seq seq = 0;
      {
        base::MutexLock lock(owner.mutex);
        seq = *(*store)->append(1, bytes_of("a record"));
      }
      while ((*store)->durable_seq() < seq) std::this_thread::yield();
    }
    ASSERT_TRUE((*store)->close().ok());
  }
}

TEST(Threads, CloseEndsACompactionThatRuns) {
  io::MemoryDisk disk;
  const auto directory = disk.directory();
  TestOwner owner;
  Result<std::unique_ptr<Store>> store = Store::open(*directory, owner, owner.mutex, {});
  ASSERT_TRUE(store.ok());
  std::atomic<bool> began = false;
  owner.between_pieces = [&] {
    began = true;
    // There is always one more record, until the store refuses.
    base::MutexLock lock(owner.mutex);
    const Result<Seq> seq = (*store)->append(1, bytes_of("more"));
    if (seq.ok()) owner.records[*seq] = "more";
  };
  owner.piece = 1;
  {
    base::MutexLock lock(owner.mutex);
    for (int i = 0; i < 3; ++i) owner.records[*(*store)->append(1, bytes_of("first"))] = "first";
  }
  std::thread compactor([&] { EXPECT_EQ((*store)->compact().code(), Code::kClosed); });
  while (!began) std::this_thread::yield();
  EXPECT_TRUE((*store)->close().ok());
  compactor.join();
  TestOwner again;
  const Result<std::unique_ptr<Store>> reopened = Store::open(*directory, again, again.mutex, {});
  ASSERT_TRUE(reopened.ok());
  EXPECT_EQ(again.records, owner.records);
}

}  // namespace
}  // namespace flint::storage
