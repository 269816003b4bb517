#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/file_system.h"
#include "storage/errors.h"
#include "storage/format.h"
#include "storage/log_writer.h"

/// Reads segments: their records in order, and what the bytes after the last good record prove.
namespace flint::storage {

/// Reads a file from front to back through a buffer whose size does not depend on the file's.
class FileWindow {
 public:
  /// `file` must outlive the window. Nothing from `end` on is read.
  FileWindow(const io::File& file, std::uint64_t end) : file_(file), end_(end) {}

  /// The bytes from `offset` on: at least `wanted`, usually many more; fewer only at the end. Valid until the next
  /// call.
  Result<std::span<const std::byte>> at(std::uint64_t offset, std::size_t wanted);

  /// The first offset, from `offset` on, whose bytes may differ from zero; end() if there is none. Invalidates nothing.
  [[nodiscard]] Result<std::uint64_t> next_data(std::uint64_t offset) const;

  [[nodiscard]] std::uint64_t end() const noexcept { return end_; }

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{256} << 10;

  const io::File& file_;
  std::uint64_t end_;
  std::vector<std::byte> buffer_;
  std::uint64_t begin_ = 0;
  std::size_t filled_ = 0;
};

/// A segment or a snapshot, open for reading, whose header is valid.
struct HeadedFile {
  /// Outlives the file.
  io::Directory* directory = nullptr;
  std::string name;
  std::unique_ptr<io::File> file;
  FileHeader header;
  std::uint64_t bytes = 0;

  /// `number` is the one in `name`. Fails with kNotFound, with kCorruption or kUnsupportedFormat and the place, or with
  /// the file system's error.
  static Result<HeadedFile> open(io::Directory& directory, std::string name, std::string_view magic,
                                 std::uint64_t number);
  /// kCorruption at this offset.
  [[nodiscard]] Status damaged(std::uint64_t offset, std::string_view what) const {
    return corruption({*directory, name, offset}, what);
  }
};

/// What follows the last record that is in place.
struct SegmentRest {
  /// The offset after the last byte that is not zero; if all are zero, at most the offset at which the records end.
  std::uint64_t nonzero_end = 0;
  /// A valid record after a bad one, written when the bad one was already durable: so the bad one was damaged later.
  struct Proof {
    std::uint64_t offset = 0;
    Seq seq = 0;
    Seq durable_seq = 0;
  };
  std::optional<Proof> proof;
};

class SegmentReader {
 public:
  /// Reads up to `end`, the end of the file, or the size in its header, whichever comes first: bytes after that (a
  /// terabyte of holes, say) were never Flint's. Fails with kNotFound, with kCorruption or kUnsupportedFormat and the
  /// place, or with the file system's error.
  static Result<SegmentReader> open(io::Directory& directory, std::uint64_t number, std::uint64_t end = UINT64_MAX);

  [[nodiscard]] const FileHeader& header() const noexcept { return file_.header; }
  [[nodiscard]] const std::string& name() const noexcept { return file_.name; }
  /// The number of bytes that may be read.
  [[nodiscard]] std::uint64_t file_bytes() const noexcept { return window_.end(); }

  /// The next record, or nothing if there is no valid record at this place. Fails with kCorruption if its sequence
  /// number is not the next one, and with kUnsupportedFormat if its kind is unknown. The payload is valid until the
  /// next call.
  Result<std::optional<ParsedRecord>> next();
  /// Continues where an earlier reader of the same file stopped.
  void resume(std::uint64_t offset, Seq expected) noexcept {
    offset_ = offset;
    expected_ = expected;
  }
  /// The offset that next() reads, and the sequence number that it expects there.
  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
  [[nodiscard]] Seq expected() const noexcept { return expected_; }
  /// Whether the last record that next() returned was a clean-close mark.
  [[nodiscard]] bool ends_clean() const noexcept { return last_kind_ == RecordKind{kCleanCloseKind}; }

  /// After next() found nothing: examines everything from there on except holes.
  Result<SegmentRest> examine_rest();

  [[nodiscard]] Status damaged(std::string_view what) const { return file_.damaged(offset_, what); }

 private:
  static constexpr RecordKind kCleanCloseKind = static_cast<RecordKind>(StoreKind::kCleanClose);

  SegmentReader(HeadedFile file, std::uint64_t end);
  /// The first offset, from `offset` on, with a byte that is not zero, rounded down to one at which a record may begin.
  Result<std::uint64_t> skip_zeros(std::uint64_t offset);
  /// The state of examine_rest(), which does not look for a record inside a valid one.
  struct Search {
    std::uint64_t offset = 0;
    std::uint64_t wasted = 0;
  };
  Result<std::optional<SegmentRest::Proof>> proof_at(std::uint64_t offset, Search& search);

  HeadedFile file_;
  FileWindow window_;
  std::uint64_t offset_ = file_header::kSize;
  Seq expected_;
  RecordKind last_kind_ = 0;
};

struct LogVisitor {
  const std::function<bool(const Record&)>& visit;
  /// See Store::read_log.
  const std::function<void()>& forget;
  /// Whether a compaction dropped the segment with this number. A compaction reports that before it removes the file.
  const std::function<bool(std::uint64_t number)>& is_dropped;
};

/// Passes the owner's records in `segments` up to `last_seq` to `visit`, oldest first, until it returns false. The last
/// segment may be written to concurrently: nothing after its SegmentInfo::bytes is read. Skips the segments that a
/// compaction dropped; any other record that is missing is kCorruption.
Status read_segments(io::Directory& directory, const std::vector<SegmentInfo>& segments, Seq last_seq,
                     const LogVisitor& visitor);

}  // namespace flint::storage
