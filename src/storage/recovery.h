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

/// How the log may end. What stands behind its last record was being written when the machine stopped, or it was
/// durable and is damaged now: the first is no part of the log, the second is to be told. The rule is in
/// docs/log_format.md.
///
/// Reads a directory back into the state that it holds. Writes nothing, and is the same for every way of opening.
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

struct Listing {
  std::vector<std::uint64_t> segments;
  std::vector<std::uint64_t> snapshots;
  std::vector<std::string> temporaries;
  std::vector<std::string> tails;
  /// There is a file of the original Flint, the one in Rust.
  bool is_the_originals = false;
  /// An import into it was begun and not ended.
  bool is_unfinished_import = false;
};
/// Of the copies of tails that crashes left unfinished, the newest ones are kept.
inline constexpr std::size_t kKeptTails = 4;
/// Ascending.
[[nodiscard]] Result<Listing> list_store(io::Directory& directory);

struct Recovery {
  /// False: no store was ever completed here. `manifest` is then the one to begin with.
  bool exists = false;
  Manifest manifest;
  /// Oldest first, the newest one included. Of those that were not read, `bytes` is the size of the file.
  std::vector<SegmentInfo> segments;
  /// Nothing when there is no segment yet.
  std::optional<LastSegment> last;
  Seq last_seq = 0;
  /// Everything up to here is on stable storage: a manifest or a snapshot that was written after it was synced says so.
  Seq proven_seq = 0;
  /// What comes after.
  Unproven unproven;
  /// The snapshot that was loaded, and its size.
  std::optional<SnapshotRef> snapshot;
  std::uint64_t snapshot_bytes = 0;
  /// Bytes of records that were replayed.
  std::uint64_t replayed_bytes = 0;
  /// An older snapshot than the newest had to be used.
  bool degraded = false;
  std::vector<Finding> findings;
  /// Files that a crash left behind and that nothing refers to.
  std::vector<std::string> leftovers;

  /// Of a store that only has what was read: all of it is as durable as it will be.
  [[nodiscard]] Stats stats() const;
};

/// What to make of a directory that holds a part of an import (import_mark.h).
enum class UnfinishedImport : std::uint8_t { kRefuse, kAccept };

/// kCorruption if anything is missing that had been durable (the rule is in docs/log_format.md), kUnsupportedFormat,
/// what `state` said, what the file system said, or kClosed once `stop` is true.
[[nodiscard]] Result<Recovery> recover(io::Directory& directory, Owner& state,
                                       UnfinishedImport unfinished = UnfinishedImport::kRefuse,
                                       const std::atomic<bool>* stop = nullptr);

}  // namespace flint::storage
