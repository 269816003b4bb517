#pragma once

#include <atomic>
#include <optional>

#include "storage/group_commit.h"
#include "storage/recovery.h"
#include "storage/snapshot.h"

/// Writes snapshots while appends continue, and drops the log that they replace.
namespace flint::storage {

/// The steps, and why a crash between any two of them loses nothing:
/// 1. With the mutex held, a new segment is started, so that the snapshot's position S is the end of a segment.
/// 2. Without the mutex, entries are written to a temporary file. They may be newer than S, so before the snapshot is
///    valid, everything appended in the meantime is made durable, and the footer records up to where.
/// 3. The file is synced and renamed, and the directory is synced; then the manifest is replaced in the same way. Until
///    it names the new snapshot, the old one is valid.
/// 4. Segments that the previous snapshot does not need, and older snapshots, are removed. If a crash leaves some, they
///    are below the manifest's first segment or not named in it.
class Compactor {
 public:
  struct Parts {
    io::Directory& directory;
    Owner& state;
    base::Mutex& mutex;
    LogWriter& log;
    GroupCommit& commit;
    ManifestFile& manifest;
    Failure& failure;
  };

  Compactor(const Parts& parts, const Recovery& recovery, std::uint64_t compact_after_bytes);

  /// Makes a snapshot. One runs at a time; a later caller waits and then makes its own. Fails with kClosed after
  /// stop(). A failure leaves the old generation unchanged, unless it is kStorageFailed.
  Status run() FLINT_EXCLUDES(turn_);
  /// Ends a running compaction, and makes later ones fail. Returns when none is running.
  void stop() FLINT_EXCLUDES(turn_);

  /// Whether the log has grown enough, in bytes or in segments. After a failed compaction it must first grow further.
  [[nodiscard]] bool is_due() const FLINT_EXCLUDES(parts_.mutex);

  /// Any thread, without the mutex: Ok while the newest snapshot and the complete segments after it are in the
  /// directory, else kStorageFailed. Checks only their names, and does not wait for a running compaction.
  Status check_files() FLINT_EXCLUDES(parts_.mutex);

  /// Any thread: bytes of the records that a reopen would replay, and the newest snapshot's size (0 if there is none).
  [[nodiscard]] std::uint64_t log_bytes() const noexcept;
  [[nodiscard]] std::uint64_t snapshot_bytes() const noexcept {
    return snapshot_bytes_.load(std::memory_order_relaxed);
  }
  /// The number of snapshots made since the open.
  [[nodiscard]] std::uint64_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

 private:
  struct Position {
    Seq seq = 0;
    std::uint64_t appended = 0;
  };

  Status compact() FLINT_REQUIRES(turn_);
  Result<Position> begin();
  Status write(SnapshotWriter& writer);
  Status publish(SnapshotWriter& writer, const SnapshotRef& ref) FLINT_REQUIRES(turn_);
  [[nodiscard]] std::uint64_t first_needed_segment() FLINT_REQUIRES(turn_);
  void remove_superseded(const Manifest& before, const Manifest& now);
  [[nodiscard]] std::uint64_t threshold() const noexcept;

  const Parts parts_;
  const std::uint64_t compact_after_bytes_;
  std::atomic<bool> stopped_ = false;

  base::Mutex turn_;
  /// The newest snapshot that is known to be good, which the next one falls back to.
  std::optional<SnapshotRef> newest_ FLINT_GUARDED_BY(turn_);

  /// The numbers of newest_; 0 without one.
  std::atomic<std::uint64_t> generation_;
  std::atomic<Seq> position_;
  std::atomic<std::uint64_t> snapshot_bytes_;
  /// Bytes replayed at the open that no later snapshot covers.
  std::atomic<std::uint64_t> replayed_bytes_;
  /// LogWriter::appended_bytes() at the newest snapshot made since the open.
  std::atomic<std::uint64_t> appended_before_ = 0;
  /// A failed compaction is tried again once log_bytes() reaches this.
  std::atomic<std::uint64_t> retry_at_bytes_ = 0;
  std::atomic<std::uint64_t> count_ = 0;
};

}  // namespace flint::storage
