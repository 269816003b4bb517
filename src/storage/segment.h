#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "storage/file_header.h"
#include "storage/record_codec.h"

/// The segment that is written to: a preallocated file, stored to through a map where that is safe, else by writes.
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

}  // namespace flint::storage
