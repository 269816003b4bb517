#pragma once

#include <atomic>
#include <optional>

#include "storage/group_commit.h"
#include "storage/recovery.h"
#include "storage/snapshot.h"

/// Writes snapshots while appends go on, and drops the log that they replace.
namespace flint::storage {

/// The steps, and why no crash between any two of them loses anything:
/// 1. Under the mutex: a new segment is started, so that the position S of the snapshot is the end of a segment.
/// 2. Entries are written to a temporary file, without the mutex. They may be newer than S, so before the snapshot
///    counts, everything that was appended meanwhile is made durable, and the footer says up to where.
/// 3. Sync, rename, directory sync; then the manifest names the snapshot, likewise. Until then the old one counts.
/// 4. Segments that the snapshot before this one does not need, and older snapshots, are removed. What is left of them
///    after a crash is below the manifest's first segment, or not named there.
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

  /// One at a time; a later caller waits and then makes its own. kClosed after stop(). Unless it is kStorageFailed, the
  /// old generation stays as it was.
  Status run() FLINT_EXCLUDES(turn_);
  /// Makes a running one give up, and later ones refuse; returns when none runs.
  void stop() FLINT_EXCLUDES(turn_);

  /// Whether the log has grown enough, in bytes or in segments. After a failure not before it has grown some more.
  [[nodiscard]] bool is_due() const FLINT_EXCLUDES(parts_.mutex);

  /// Any thread, without the mutex: Ok while the newest snapshot and the complete segments after it are in the
  /// directory, else kStorageFailed. Looks at their names only; does not wait for a compaction that runs.
  Status check_files() FLINT_EXCLUDES(parts_.mutex);

  /// Any thread: bytes of records that a reopen would replay; the newest snapshot's size, 0 without one.
  [[nodiscard]] std::uint64_t log_bytes() const noexcept;
  [[nodiscard]] std::uint64_t snapshot_bytes() const noexcept {
    return snapshot_bytes_.load(std::memory_order_relaxed);
  }
  /// How many snapshots were made since open.
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
  /// The newest one that is known to be good: what the next one falls back to.
  std::optional<SnapshotRef> newest_ FLINT_GUARDED_BY(turn_);

  /// Of newest_; 0 without one.
  std::atomic<std::uint64_t> generation_;
  std::atomic<Seq> position_;
  std::atomic<std::uint64_t> snapshot_bytes_;
  /// Bytes replayed at open that no snapshot made since then covers.
  std::atomic<std::uint64_t> replayed_bytes_;
  /// Log::appended_bytes() at the newest snapshot made since open.
  std::atomic<std::uint64_t> appended_before_ = 0;
  /// log_bytes() below which a failed compaction is not tried again.
  std::atomic<std::uint64_t> retry_at_bytes_ = 0;
  std::atomic<std::uint64_t> count_ = 0;
};

}  // namespace flint::storage
