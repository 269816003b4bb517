#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/atomic_histogram.h"
#include "base/mutex.h"
#include "io/file_system.h"
#include "storage/errors.h"
#include "storage/format.h"
#include "storage/store_front.h"

/// The log as its writer sees it: complete segments, and one that is appended to. That one is a preallocated file,
/// stored to through a map where that is safe, else by writes; on a disk that is almost full it is a small one.
namespace flint::storage {

/// Threads: append(), seal_off() and the getters under the log's mutex; sync() from any.
class Segment {
 public:
  /// Writes the records that a new segment begins with, and returns where they end.
  using FirstRecords = std::function<Result<std::uint64_t>(io::File&)>;

  /// Creates the file with all its blocks and, if any, its first records, and makes content and name durable: a segment
  /// that is seen under its name has a whole header and these records, so that one without is damage. On failure
  /// nothing is left of it. kStorageFailed when it is unknown whether that worked, or when the disk failed.
  static Result<std::shared_ptr<Segment>> create(io::Directory& directory, const FileHeader& header,
                                                 const FirstRecords& first = {});
  /// The same in an empty file that the caller holds open under `temporary`: needs no descriptor. kNotFound, with
  /// nothing changed, when that name is gone.
  static Result<std::shared_ptr<Segment>> create_in(io::Directory& directory, const FileHeader& header,
                                                    std::unique_ptr<io::File> file, std::string_view temporary,
                                                    const FirstRecords& first = {});

  /// Goes on where the records of an existing segment end. Writes nothing before the first append.
  static Result<std::shared_ptr<Segment>> reopen(io::Directory& directory, const FileHeader& header,
                                                 std::uint64_t used);

  Segment(std::unique_ptr<io::File> file, std::string name, const FileHeader& header, std::uint64_t used);

  /// Whether a record of `bytes` fits; the log keeps kSegmentReserve of it for the store's own.
  [[nodiscard]] bool has_room(std::size_t bytes) const noexcept { return used_ + bytes <= header_.bytes; }
  /// False until the first append: of an existing segment, the room for it may be missing.
  [[nodiscard]] bool is_prepared() const noexcept { return prepared_; }
  /// has_room() holds. kDiskFull: not appended, and the segment ends where it did. kStorageFailed otherwise.
  Status append(const Record& record, Seq durable_seq);

  /// Everything appended before the call is durable. After one failure all later calls fail: the kernel reports a lost
  /// page once, and a second fdatasync would "succeed" over it. One at a time for the same reason: of two at once, the
  /// one that comes second could be told that all is well.
  Status sync() FLINT_EXCLUDES(sync_mutex_);

  /// Ok while the file at its name is still this one, else kStorageFailed: what is synced here is not in the directory.
  [[nodiscard]] Status still_there(const io::Directory& directory) const;

  /// Gives back the blocks behind the last record. Nothing is appended afterwards.
  Status seal_off();

  [[nodiscard]] const FileHeader& header() const noexcept { return header_; }
  [[nodiscard]] std::uint64_t used() const noexcept { return used_; }

 private:
  /// On the first append: all blocks are there, also of a segment that had been cut at its end, and it is mapped.
  Status prepare();
  Status write(std::span<const std::byte> bytes);

  std::unique_ptr<io::File> file_;
  const Result<io::FileId> id_;
  std::string name_;
  FileHeader header_;
  std::uint64_t used_;
  bool prepared_ = false;
  std::span<std::byte> map_;
  /// Where records are put together when there is no map.
  std::vector<std::byte> scratch_;

  base::Mutex sync_mutex_;
  Status sync_failure_ FLINT_GUARDED_BY(sync_mutex_);
};

/// Where blocks are smaller, nothing is gained by less.
inline constexpr std::uint64_t kUsualBlockBytes = 4096;

/// Calls `create(header)`, and, as long as that does not fit on the disk, once more with half the size, down to what
/// holds `wanted` bytes of records.
template <typename Create>
Result<std::shared_ptr<Segment>> create_what_fits(FileHeader header, std::uint64_t wanted, Create create) {
  const std::uint64_t least = file_header::kSize + wanted + kSegmentReserve;
  header.bytes = std::max(header.bytes, least);
  const std::uint64_t floor =
      std::min(header.bytes, (least + kUsualBlockBytes - 1) / kUsualBlockBytes * kUsualBlockBytes);
  while (true) {
    Result<std::shared_ptr<Segment>> segment = create(header);
    if (segment.code() != Code::kDiskFull || header.bytes <= floor) return segment;
    header.bytes = std::max(header.bytes / 2, floor);
  }
}

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

/// Threads: under the owner's mutex, except for what says otherwise.
class LogWriter {
 public:
  /// `complete` are the segments before `current`, oldest first. `last_seq` is the last record's number, and everything
  /// up to there is durable, which `front` says from now on. The references outlive the log.
  LogWriter(io::Directory& directory, const io::DirectoryLock& lock, Failure& failure, StoreFront& front,
            SegmentSizes sizes, std::vector<SegmentInfo> complete, std::shared_ptr<Segment> current, Seq last_seq);

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
  /// False if another file has the name of the spare: renamed, that one would be the next segment.
  [[nodiscard]] bool spare_is_in_its_place() const;
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
