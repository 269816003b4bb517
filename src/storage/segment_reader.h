#pragma once

#include <memory>
#include <optional>
#include <string>

#include "storage/file_header.h"
#include "storage/file_window.h"
#include "storage/record_codec.h"

/// Reads a segment: its records in order, and what the bytes behind the last good one prove.
namespace flint::storage {

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

}  // namespace flint::storage
