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

/// The log as its writer sees it: complete segments, and the segment that records are appended to. That one is a
/// preallocated file, small on a disk that is almost full. It is written through a memory map where that is safe, and
/// with write calls elsewhere.
namespace flint::storage {

/// Threads: append(), seal_off() and the getters with the owner's mutex held; sync() from any thread.
class Segment {
 public:
  /// Writes the first records of a new segment, and returns the offset at which they end.
  using FirstRecords = std::function<Result<std::uint64_t>(io::File&)>;

  /// Creates the file with all its blocks and its first records, if any, and makes content and name durable. A file
  /// that has a segment's name therefore has a complete header and these records; otherwise it is damaged. A failure
  /// leaves no file. It is kStorageFailed if the disk failed or the result is unknown.
  static Result<std::shared_ptr<Segment>> create(io::Directory& directory, const FileHeader& header,
                                                 const FirstRecords& first = {});
  /// Like create(), but uses an empty file that the caller holds open under the name `temporary`, and so needs no new
  /// descriptor. Fails with kNotFound, and changes nothing, if that name no longer exists.
  static Result<std::shared_ptr<Segment>> create_in(io::Directory& directory, const FileHeader& header,
                                                    std::unique_ptr<io::File> file, std::string_view temporary,
                                                    const FirstRecords& first = {});

  /// Continues an existing segment where its records end. Writes nothing before the first append.
  static Result<std::shared_ptr<Segment>> reopen(io::Directory& directory, const FileHeader& header,
                                                 std::uint64_t used);

  Segment(std::unique_ptr<io::File> file, std::string name, const FileHeader& header, std::uint64_t used);

  /// Whether a record of `bytes` fits. The log reserves kSegmentReserve for the store's own records.
  [[nodiscard]] bool has_room(std::size_t bytes) const noexcept { return used_ + bytes <= header_.bytes; }
  /// False until the first append to an existing segment, for which the disk may have no room.
  [[nodiscard]] bool is_prepared() const noexcept { return prepared_; }
  /// Requires has_room(). Fails with kDiskFull, and appends nothing, or with kStorageFailed.
  Status append(const Record& record, Seq durable_seq);

  /// Makes everything appended before the call durable. After one failure all later calls fail, because the kernel
  /// reports a lost page only once, and the next fdatasync would "succeed". Only one sync runs at a time for the same
  /// reason: of two concurrent ones, only one would get the error.
  Status sync() FLINT_EXCLUDES(sync_mutex_);

  /// Ok while the segment's name still refers to this file. Otherwise kStorageFailed: synced records are not in the
  /// directory.
  [[nodiscard]] Status still_there(const io::Directory& directory) const;

  /// Frees the blocks after the last record. Nothing can be appended afterwards.
  Status seal_off();

  [[nodiscard]] const FileHeader& header() const noexcept { return header_; }
  [[nodiscard]] std::uint64_t used() const noexcept { return used_; }

 private:
  /// Before the first append: allocates all blocks, including those that seal_off() freed, and maps the file.
  Status prepare();
  Status write(std::span<const std::byte> bytes);

  std::unique_ptr<io::File> file_;
  const Result<io::FileId> id_;
  std::string name_;
  FileHeader header_;
  std::uint64_t used_;
  bool prepared_ = false;
  std::span<std::byte> map_;
  /// The buffer in which records are encoded if the file is not mapped.
  std::vector<std::byte> scratch_;

  base::Mutex sync_mutex_;
  Status sync_failure_ FLINT_GUARDED_BY(sync_mutex_);
};

/// Smaller blocks would gain nothing.
inline constexpr std::uint64_t kUsualBlockBytes = 4096;

/// Calls `create(header)`. If that does not fit on the disk, tries again with half the size, down to a size with room
/// for `wanted` bytes of records.
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
  /// The sequence number of its first record. A complete segment ends where the next one begins.
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
  /// Removes the spare again.
  void drop_spare();

  [[nodiscard]] const std::shared_ptr<Segment>& current() const noexcept { return current_; }
  [[nodiscard]] const std::vector<SegmentInfo>& complete() const noexcept { return complete_; }
  [[nodiscard]] SegmentInfo current_info() const noexcept;
  [[nodiscard]] UnsyncedAge& unsynced() noexcept { return unsynced_; }
  /// Forgets complete segments with a lower number. Their files are the caller's to remove.
  void drop_before(std::uint64_t number);

  /// Any thread.
  [[nodiscard]] Seq last_seq() const noexcept { return last_seq_.load(std::memory_order_acquire); }
  /// Any thread: everything up to here is on stable storage.
  [[nodiscard]] Seq durable_seq() const noexcept { return durable_seq_.load(std::memory_order_acquire); }
  /// Any thread: makes everything up to `seq` durable, which is the last record of `segment` or an earlier one. Checks
  /// the lock and the segment's name after the sync, so that it confirms nothing in a directory that another process
  /// may own by now, or in a file that is no longer in the directory.
  Status commit(Segment& segment, Seq seq);
  /// Any thread: Ok while this process owns the directory, else kStorageFailed. Called before the manifest is replaced.
  Status check_lock();
  /// Any thread: how long each sync took, in nanoseconds, and how many records it was the first to make durable. The
  /// syncs that complete a segment are included.
  [[nodiscard]] Histogram sync_nanos() const { return sync_nanos_.read(); }
  [[nodiscard]] Histogram sync_records() const { return sync_records_.read(); }
  /// Any thread: bytes of records appended since the open.
  [[nodiscard]] std::uint64_t appended_bytes() const noexcept { return appended_.load(std::memory_order_relaxed); }

 private:
  /// False if another file has the spare's name: a rename would make that file the next segment.
  [[nodiscard]] bool spare_is_in_its_place() const;
  Result<std::shared_ptr<Segment>> create_next(const FileHeader& header);
  /// Starts a segment of `bytes`, within sizes_; of fewer if the disk has no room, of more if `wanted` bytes of records
  /// need them.
  Status start_next(std::uint64_t bytes, std::size_t wanted);
  Result<Seq> put(RecordKind kind, std::span<const std::byte> payload);
  Result<Seq> put_first(RecordKind kind, std::span<const std::byte> payload, std::size_t wanted);
  [[nodiscard]] bool is_empty() const noexcept { return current_->used() == file_header::kSize; }
  [[nodiscard]] Status check_name(const Segment& segment, Seq seq);
  /// Returns by how many records, which is 0 if a later sync was faster.
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
