#pragma once

#include <string>

#include "storage/file_header.h"
#include "storage/segment_reader.h"

/// How the log may end. What stands behind its last record was being written when the machine stopped, or it was
/// durable and is damaged now: the first is no part of the log, the second is to be told. The rule is in
/// docs/log_format.md.
namespace flint::storage {

/// The newest segment, and how it ends.
struct LastSegment {
  FileHeader header;
  /// Behind its last record.
  std::uint64_t used = 0;
  /// Behind the last byte that is not zero. More than `used`: something was being written when the machine stopped.
  std::uint64_t nonzero_end = 0;
  /// Of the file, but not more than the size in its head.
  std::uint64_t bytes = 0;
  bool ends_clean = false;

  /// Holds nothing, or was closed in order: may be appended to. An old tail never is, nor is a file of version 1. Nor
  /// is one that is longer than its clean-close mark says: a later process gave it that length and appended, and none
  /// of that may have reached the disk, not even the length.
  [[nodiscard]] bool is_reusable() const noexcept {
    return header.version == kFormatVersion && nonzero_end == used &&
           (used == file_header::kSize || (ends_clean && bytes == used));
  }
};

/// A file outside the log that says how far the log was durable when it was written.
struct ProvenDurable {
  Seq seq = 0;
  std::string file;
};

/// `reader`, of the newest segment, has read all its records. kCorruption if anything is missing that had been durable,
/// or what the file system said.
[[nodiscard]] Result<LastSegment> judge_log_end(SegmentReader& reader, const ProvenDurable& proven);

}  // namespace flint::storage
