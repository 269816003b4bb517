#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "flint/doctor.h"
#include "flint/options.h"
#include "flint/stats.h"
#include "flint/status.h"
#include "io/file_system.h"
#include "storage/lock_wait.h"
#include "storage/owner.h"
#include "storage/record.h"
#include "storage/unsynced_age.h"

/// The store: an append-only log in segments, snapshots of the state at a log position, recovery, group commit and
/// compaction. It knows nothing of limits: records and snapshot entries are opaque payloads of the owner of the state.
/// The format is in log_format.h and docs/log_format.md.
namespace flint::storage {

struct StoreOptions {
  SyncMode sync = SyncMode::kAlways;
  bool read_only = false;
  std::chrono::milliseconds flush_every{100};
  std::uint64_t flush_every_events = 100;
  /// The age above which unsynced() reports a record as too old.
  std::chrono::milliseconds max_unsynced{1000};
  std::uint64_t compact_after_bytes = std::uint64_t{32} << 20;
  bool allow_network_file_system = false;
  LockWait lock;
  /// Open a directory with an unfinished import (import_mark.h). Otherwise such a directory is refused.
  bool accept_unfinished_import = false;
  /// The text of the lock file, for other processes to read.
  std::string holder;
  /// The first segment is small, so that a small store takes little disk space. Each segment after a full one is twice
  /// as large, up to the maximum; a segment that a compaction starts is small again.
  std::uint64_t first_segment_bytes = std::uint64_t{1} << 20;
  std::uint64_t max_segment_bytes = std::uint64_t{64} << 20;
  /// A store that has had no room since it was opened checks for room at most this often for its callers. flush(),
  /// compact() and close() always check.
  std::chrono::milliseconds look_for_room_every{100};
  /// How much of the log, in bytes and in time, the manifest may leave unproven, so that the next open must write it
  /// again. The manifest records an idle log and the first commit of a segment immediately.
  std::uint64_t prove_after_bytes = std::uint64_t{4} << 20;
  std::chrono::milliseconds prove_after{5000};
  /// False: no threads are started, and a test calls tick() itself.
  bool background = true;
};

/// Threads: any, within the rules that each member states. "The mutex" is the owner's, which guards the state and is
/// passed to open(). append() is called with it held, so that deciding, logging and applying are one critical
/// section.
class Store {
 public:
  /// Takes the lock, recovers the state into `state`, and returns a store that accepts appends. A failure leaves the
  /// directory unchanged, except that an empty lock file may be new. `directory`, `state` and `mutex` must outlive the
  /// store; the caller does not hold the mutex. With `background`, on_tick() may be called and a compaction may begin
  /// before this returns.
  ///
  /// If the directory holds a store but the disk has no room for the log, the open also succeeds, and the store waits
  /// for room: the recovered state can be read, and every operation that needs the log fails with kDiskFull. The store
  /// continues by itself once there is room. Until then durable_seq() may be less than last_seq(): the records between
  /// them may not survive a crash of the machine, and nothing confirms them as durable.
  static Result<std::unique_ptr<Store>> open(io::Directory& directory, Owner& state, base::Mutex& mutex,
                                             const StoreOptions& options);

  /// Without close(), leaves the directory as a killed process would. In a forked child no member may be called, this
  /// one included, because the threads do not exist there and mutexes may stay locked; the owner ensures that.
  virtual ~Store() = default;

  /// Appends one record of at most kMaxPayloadBytes and of a kind from 1 to 0x7f, with the mutex held. Returns its
  /// sequence number, which is higher than any before. When append() returns, the record is in the page cache and
  /// survives the process; wait() makes it durable. kDiskFull, kIoError (too many open files) and kPermission (the
  /// directory does not allow a new file): nothing was appended, and the next call may succeed. kPermission is also the
  /// answer of a read-only store. kStorageFailed: the store has failed. Rarely, for a new segment, it creates a file
  /// and syncs.
  virtual Result<Seq> append(RecordKind kind, std::span<const std::byte> payload) = 0;

  /// Returns when everything up to `seq` is durable. Fails with kStorageFailed, or with kDiskFull if a store that waits
  /// for room cannot confirm it. Callers share syncs: one leads, the others wait. Called without the mutex.
  virtual Status wait(Seq seq) = 0;
  /// Like Limiter::when_durable. Called without the mutex.
  virtual void when_durable(Seq seq, std::function<void(const Status&)> done) = 0;
  [[nodiscard]] virtual Seq durable_seq() const noexcept = 0;
  [[nodiscard]] virtual Seq last_seq() const noexcept = 0;

  /// The owner reports its appends here; see UnsyncedAge. Called with the mutex held.
  [[nodiscard]] virtual UnsyncedAge& unsynced() noexcept = 0;

  /// Calls on_tick(), then makes everything appended so far durable. Called without the mutex.
  virtual Status flush() = 0;
  /// Writes a snapshot while appends continue, and drops the log before the previous snapshot. Called without the
  /// mutex. One compaction runs at a time; later callers wait and then run their own.
  virtual Status compact() = 0;

  /// Passes every retained record up to the last one at the time of the call to `visit`, oldest first, until `visit`
  /// returns false. Delays neither the writer nor a compaction. If a compaction removes the records that would come
  /// next, `forget` is called, because the records before them are no longer retained either. Called without the
  /// mutex.
  virtual Status read_log(const std::function<bool(const Record&)>& visit,
                          const std::function<void()>& forget) const = 0;

  /// Ok, or the failure that stopped the store. Does not block.
  [[nodiscard]] virtual Status health() const = 0;
  /// The store's part of Stats. Keys, decisions and the age of the oldest record are the owner's.
  [[nodiscard]] virtual Stats stats() const = 0;
  /// What recovery found and did that an operator should know.
  [[nodiscard]] virtual std::vector<Finding> findings() const = 0;

  /// Does one turn of the background work: on_tick(), a flush if one is due, a seal if the log is idle, a compaction if
  /// one is due. Called without the mutex.
  virtual Status tick() = 0;

  /// Calls on_tick(), flushes, writes the clean-close mark and the manifest, and releases the lock. A running
  /// compaction is abandoned. Appends after it fail with kClosed. A second call does nothing and returns the first
  /// result.
  virtual Status close() = 0;
};

}  // namespace flint::storage
