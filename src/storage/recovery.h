#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "flint/doctor.h"
#include "flint/stats.h"
#include "storage/format.h"
#include "storage/log_reader.h"
#include "storage/log_writer.h"
#include "storage/manifest.h"
#include "storage/owner.h"
#include "storage/rewrite.h"

/// Reads a directory back into the state that it contains. Recovery writes nothing, and is the same for every way of
/// opening.
///
/// It judges the bytes after the log's last record. Either they were being written when the machine stopped, and are
/// not part of the log, or they had been durable, and their damage must be reported. The rule is in
/// docs/log_format.md.
namespace flint::storage {

/// The newest segment, and how it ends.
struct LastSegment {
  FileHeader header;
  /// The offset after its last record.
  std::uint64_t used = 0;
  /// The offset after the last byte that is not zero. More than `used` if a write was in progress when the machine
  /// stopped.
  std::uint64_t nonzero_end = 0;
  /// The size of the file, but not more than the size in its header.
  std::uint64_t bytes = 0;
  bool ends_clean = false;

  /// Whether records may be appended: only to a segment that is empty or was closed cleanly. Never after an old tail,
  /// to a file of version 1, or to a segment that is longer than its clean-close mark implies: a later process gave it
  /// that length and appended, and possibly nothing of that reached the disk.
  [[nodiscard]] bool is_reusable() const noexcept {
    return header.version == kFormatVersion && nonzero_end == used &&
           (used == file_header::kSize || (ends_clean && bytes == used));
  }
};

/// The file outside the log that recorded how far the log was durable, and up to which record.
struct ProvenDurable {
  Seq seq = 0;
  std::string file;
};

/// `reader` has read all records of the newest segment. Fails with kCorruption if a record that had been durable is
/// missing, or with the file system's error.
[[nodiscard]] Result<LastSegment> judge_log_end(SegmentReader& reader, const ProvenDurable& proven);

struct Listing {
  std::vector<std::uint64_t> segments;
  std::vector<std::uint64_t> snapshots;
  std::vector<std::string> temporaries;
  std::vector<std::string> tails;
  /// The directory contains a file of the original Flint in Rust.
  bool is_the_originals = false;
  /// An import into the directory was begun and not completed.
  bool is_unfinished_import = false;
  /// The directory is a backup of which a part may be missing.
  bool is_unfinished_backup = false;
};
/// How many copies of unfinished tails are kept, the newest ones.
inline constexpr std::size_t kKeptTails = 4;
/// Ascending.
[[nodiscard]] Result<Listing> list_store(io::Directory& directory);

struct Recovery {
  /// False if no store was ever completed here; `manifest` is then the initial one.
  bool exists = false;
  Manifest manifest;
  /// Oldest first, the newest included. If a segment was not read, its `bytes` is the size of the file.
  std::vector<SegmentInfo> segments;
  /// Nothing if there is no segment yet.
  std::optional<LastSegment> last;
  Seq last_seq = 0;
  /// Everything up to here is on stable storage: a manifest or a snapshot written after its sync records that.
  Seq proven_seq = 0;
  /// The records after proven_seq.
  Unproven unproven;
  /// The snapshot that was loaded, and its size.
  std::optional<SnapshotRef> snapshot;
  std::uint64_t snapshot_bytes = 0;
  /// Bytes of the replayed records.
  std::uint64_t replayed_bytes = 0;
  /// An older snapshot than the newest had to be used.
  bool degraded = false;
  std::vector<Finding> findings;
  /// Files that a crash left and that nothing refers to.
  std::vector<std::string> leftovers;

  /// The Stats of a store that appends nothing, so that everything counts as durable.
  [[nodiscard]] Stats stats() const;
};

/// What to do with a directory that contains an unfinished import (import_mark.h) or backup (backup.h).
enum class UnfinishedImport : std::uint8_t { kRefuse, kAccept };

/// Fails with kCorruption if a record that had been durable is missing (docs/log_format.md has the rule), with
/// kUnsupportedFormat, with the failure of `state` or of the file system, or with kClosed once `stop` is true.
[[nodiscard]] Result<Recovery> recover(io::Directory& directory, Owner& state,
                                       UnfinishedImport unfinished = UnfinishedImport::kRefuse,
                                       const std::atomic<bool>* stop = nullptr);

}  // namespace flint::storage
