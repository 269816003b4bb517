#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "base/atomic_histogram.h"
#include "base/mutex.h"
#include "io/file_system.h"
#include "storage/failure.h"
#include "storage/segment.h"
#include "storage/store_front.h"

/// The log as its writer sees it: complete segments, and one that is appended to.
namespace flint::storage {

struct SegmentInfo {
  std::uint64_t number = 0;
  /// Of its first record; a complete segment ends where the next one begins.
  Seq first_seq = 0;
  /// Where its records end.
  std::uint64_t bytes = 0;
};

struct SegmentSizes {
  std::uint64_t first = 0;
  std::uint64_t largest = 0;
};

/// Threads: under the store's mutex, except for what says otherwise.
class Log {
 public:
  /// `complete` are the segments before `current`, oldest first. `last_seq` is the last record's number, and everything
  /// up to there is durable, which `front` says from now on. The references outlive the log.
  Log(io::Directory& directory, const io::DirectoryLock& lock, Failure& failure, StoreFront& front, SegmentSizes sizes,
      std::vector<SegmentInfo> complete, std::shared_ptr<Segment> current, Seq last_seq);

  /// The errors of Store::append. A failure that stops the store is in its Failure as well; likewise below.
  Result<Seq> append(RecordKind kind, std::span<const std::byte> payload);
  /// A record of the store's own: uses the room that is kept for it, and starts no segment.
  Result<Seq> append_own(StoreKind kind);

  /// Makes the current segment durable and complete, and starts the next one, of the smallest size: what follows a
  /// compaction may be little. Nothing if the current one is empty.
  /// Errors as append.
  Status rotate();

  /// Opens the file of the segment after the current one ahead of time, unless that is done: a process that has run out
  /// of descriptors can still start a segment. Best effort.
  void hold_spare();
  /// Removes it again.
  void drop_spare();

  [[nodiscard]] const std::shared_ptr<Segment>& current() const noexcept { return current_; }
  [[nodiscard]] const std::vector<SegmentInfo>& complete() const noexcept { return complete_; }
  [[nodiscard]] SegmentInfo current_info() const noexcept;
  [[nodiscard]] UnsyncedAge& unsynced() noexcept { return unsynced_; }
  /// Forgets complete segments with a lower number. Their files are the caller's.
  void drop_before(std::uint64_t number);

  /// Any thread.
  [[nodiscard]] Seq last_seq() const noexcept { return last_seq_.load(std::memory_order_acquire); }
  /// Any thread: everything up to here is on stable storage.
  [[nodiscard]] Seq durable_seq() const noexcept { return durable_seq_.load(std::memory_order_acquire); }
  /// Any thread: makes everything up to `seq` durable, the last record of `segment` or one before it. The lock and
  /// the segment's name are checked in between: nothing is claimed for a directory that another process may own by now,
  /// nor for a file that is not in it.
  Status commit(Segment& segment, Seq seq);
  /// Any thread: Ok while this process owns the directory, else kStorageFailed. Before the manifest is replaced.
  Status check_lock();
  /// Any thread: how long each sync took, in nanoseconds, and how many records it was the first to make durable; the
  /// syncs that complete a segment are among them.
  [[nodiscard]] Histogram sync_nanos() const { return sync_nanos_.read(); }
  [[nodiscard]] Histogram sync_records() const { return sync_records_.read(); }
  /// Any thread: bytes of records that were ever appended since open.
  [[nodiscard]] std::uint64_t appended_bytes() const noexcept { return appended_.load(std::memory_order_relaxed); }

 private:
  Result<std::shared_ptr<Segment>> create_next(const FileHeader& header);
  /// The new segment has `bytes`, within sizes_, or less if the disk has no room for that, or more if `wanted` bytes of
  /// records do not fit.
  Status start_next(std::uint64_t bytes, std::size_t wanted);
  Result<Seq> put(RecordKind kind, std::span<const std::byte> payload);
  Result<Seq> put_first(RecordKind kind, std::span<const std::byte> payload, std::size_t wanted);
  [[nodiscard]] bool is_empty() const noexcept { return current_->used() == file_header::kSize; }
  [[nodiscard]] Status check_name(const Segment& segment, Seq seq);
  /// Returns by how many records. A sync that began later may have been first.
  std::uint64_t advance_durable(Seq seq) noexcept;

  io::Directory& directory_;
  const io::DirectoryLock& lock_;
  Failure& failure_;
  const SegmentSizes sizes_;
  std::vector<SegmentInfo> complete_;
  std::shared_ptr<Segment> current_;
  /// Empty, under the temporary name of kSpareName; or null.
  std::unique_ptr<io::File> spare_;
  bool disk_was_full_ = false;
  std::atomic<Seq> last_seq_;
  std::atomic<Seq>& durable_seq_;
  std::atomic<std::uint64_t> appended_ = 0;
  UnsyncedAge& unsynced_;

  /// A leaf. The start of a segment and a group commit may sync at the same time.
  base::Mutex recording_;
  base::AtomicHistogram<base::kLatencyBounds.size()> sync_nanos_{base::kLatencyBounds};
  base::AtomicHistogram<13> sync_records_{{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096}};
};

}  // namespace flint::storage
