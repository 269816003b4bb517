#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/file_system.h"
#include "storage/format.h"
#include "storage/log_writer.h"

/// Reads a file front to back through a buffer of bounded size, whatever the file's.
///
/// Reads a segment: its records in order, and what the bytes behind the last good one prove.
namespace flint::storage {

class FileWindow {
 public:
  /// `file` outlives the window. Nothing at or behind `end` is read.
  FileWindow(const io::File& file, std::uint64_t end) : file_(file), end_(end) {}

  /// At least `wanted` bytes from `offset` on, fewer only at the end; usually many more. Valid until the next call.
  Result<std::span<const std::byte>> at(std::uint64_t offset, std::size_t wanted);

  /// Where bytes that may not be zero begin, from `offset` on; end() when there are none. Invalidates nothing.
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

/// What follows the last record that is in place.
struct SegmentRest {
  /// Behind the last byte that is not zero; at most the offset where the records end when all are.
  std::uint64_t nonzero_end = 0;
  /// A valid record behind a bad one, that was written when the bad one was durable: the bad one was damaged later.
  struct Proof {
    std::uint64_t offset = 0;
    Seq seq = 0;
    Seq durable_seq = 0;
  };
  std::optional<Proof> proof;
};

class SegmentReader {
 public:
  /// Reads up to `end`, or to the end of the file or the size in its head when that is less: what stands behind (a
  /// terabyte of holes, say) was never Flint's. kNotFound, kCorruption, kUnsupportedFormat with the
  /// place, or what the file system said.
  static Result<SegmentReader> open(io::Directory& directory, std::uint64_t number, std::uint64_t end = UINT64_MAX);

  [[nodiscard]] const FileHeader& header() const noexcept { return header_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Bytes that may be read.
  [[nodiscard]] std::uint64_t file_bytes() const noexcept { return window_.end(); }

  /// The next record, or nothing where no valid one stands in place. A valid one with a sequence number that is not the
  /// next is kCorruption, one of a kind that is not known kUnsupportedFormat. The payload is valid until the next call.
  Result<std::optional<ParsedRecord>> next();
  /// Goes on where an earlier reader of the same file stood.
  void resume(std::uint64_t offset, Seq expected) noexcept {
    offset_ = offset;
    expected_ = expected;
  }
  /// Where next() looks, and the number that it expects there.
  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
  [[nodiscard]] Seq expected() const noexcept { return expected_; }
  /// The last record that next() gave was a clean-close mark.
  [[nodiscard]] bool ends_clean() const noexcept { return last_kind_ == RecordKind{kCleanCloseKind}; }

  /// Where next() found nothing: looks at everything from there on but holes.
  Result<SegmentRest> examine_rest();

  [[nodiscard]] Status damaged(std::string_view what) const;

 private:
  static constexpr RecordKind kCleanCloseKind = static_cast<RecordKind>(StoreKind::kCleanClose);

  SegmentReader(io::Directory& directory, std::string name, std::unique_ptr<io::File> file, FileHeader header,
                std::uint64_t end);
  /// Where the bytes from `offset` on first differ from zero, rounded down to a place where a record may stand.
  Result<std::uint64_t> skip_zeros(std::uint64_t offset);
  /// Of examine_rest(): inside of a valid record there is no other.
  struct Search {
    std::uint64_t offset = 0;
    std::uint64_t wasted = 0;
  };
  Result<std::optional<SegmentRest::Proof>> proof_at(std::uint64_t offset, Search& search);

  io::Directory* directory_;
  std::string name_;
  std::unique_ptr<io::File> file_;
  FileHeader header_;
  FileWindow window_;
  std::uint64_t offset_ = file_header::kSize;
  Seq expected_;
  RecordKind last_kind_ = 0;
};

struct LogVisitor {
  const std::function<bool(const Record&)>& visit;
  /// As Store::read_log.
  const std::function<void()>& forget;
  /// Whether a compaction dropped the segment with this number. It says so before it removes the file.
  const std::function<bool(std::uint64_t number)>& is_dropped;
};

/// Shows the owner's records of `segments` up to `last_seq`, oldest first, until `visit` returns false. The last
/// segment may be written to meanwhile: nothing behind its SegmentInfo::bytes is read. Below last_seq nothing may be
/// missing: kCorruption. Only segments that a compaction dropped meanwhile are left out.
Status read_segments(io::Directory& directory, const std::vector<SegmentInfo>& segments, Seq last_seq,
                     const LogVisitor& visitor);

}  // namespace flint::storage
