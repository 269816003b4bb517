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

/// Remembers: an append-only log in segments, snapshots of the state at a log position, recovery, group commit and
/// compaction. Knows nothing of limits: records and snapshot entries are opaque payloads of whoever owns the state.
/// The format is in log_format.h and docs/log_format.md.
namespace flint::storage {

struct StoreOptions {
  SyncMode sync = SyncMode::kAlways;
  bool read_only = false;
  std::chrono::milliseconds flush_every{100};
  std::uint64_t flush_every_events = 100;
  /// What unsynced() takes for too old.
  std::chrono::milliseconds max_unsynced{1000};
  std::uint64_t compact_after_bytes = std::uint64_t{32} << 20;
  bool allow_network_file_system = false;
  LockWait lock;
  /// Open a directory that holds a part of an import (import_mark.h), which is refused otherwise.
  bool accept_unfinished_import = false;
  /// Text of the lock file, for others to read.
  std::string holder;
  /// Segments start small, so that a small store is small on disk. One that follows a full segment is twice as large,
  /// up to the largest; one that a compaction starts is small again.
  std::uint64_t first_segment_bytes = std::uint64_t{1} << 20;
  std::uint64_t max_segment_bytes = std::uint64_t{64} << 20;
  /// A store that has had no room since its open looks for some at most this often on behalf of its callers, unless
  /// they flush, compact or close.
  std::chrono::milliseconds look_for_room_every{100};
  /// How much of the log, in bytes and in time, an open may have to write again because the manifest does not prove it
  /// yet; an idle log and the first commit of a segment are noted there at once.
  std::uint64_t prove_after_bytes = std::uint64_t{4} << 20;
  std::chrono::milliseconds prove_after{5000};
  /// False: no thread is started, and a test drives tick() by hand.
  bool background = true;
};

/// Threads: any, with the rules that the members state. "The mutex" is the owner's, which guards the state and is lent
/// to open(): append() is called under it, so that deciding, logging and applying are one critical section.
class Store {
 public:
  /// Takes the lock, recovers through `state`, and is ready for appends. On any failure the directory is as it was, but
  /// for an empty lock file where there was none. `directory`, `state` and `mutex` outlive the store. The mutex is not
  /// held. With `background`, on_tick() may be called and a compaction may begin before this returns.
  ///
  /// Where a store is there and the disk has no room for the log, this succeeds too, and the store waits for room: what
  /// was recovered can be read, and whatever needs the log fails with kDiskFull. It goes on by itself once there is
  /// room. Until then durable_seq() may be less than last_seq(), and what is between may be gone after a crash of the
  /// machine; nothing claims it to be durable.
  static Result<std::unique_ptr<Store>> open(io::Directory& directory, Owner& state, base::Mutex& mutex,
                                             const StoreOptions& options);

  /// Without close() the directory is left as a killed process leaves it. In a forked child nothing may be called, and
  /// this neither: the threads do not exist there, and mutexes may be locked for ever. Its owner sees to that.
  virtual ~Store() = default;

  /// Appends one record of at most kMaxPayloadBytes, of a kind from 1 to 0x7f, with the mutex held. Its sequence number
  /// is higher than all before. In the page cache when it returns (survives the process), durable when wait() says so.
  /// kDiskFull, kIoError (no new file can be opened: too many are), kPermission (the directory does not let one be
  /// created): not appended, the log is as before, the next may succeed. kStorageFailed: the store has failed.
  /// kPermission also when it is read-only. Rarely (a new segment) it syncs and creates a file.
  virtual Result<Seq> append(RecordKind kind, std::span<const std::byte> payload) = 0;

  /// Returns when everything up to `seq` is durable, or kStorageFailed. Callers share syncs: one leads, the rest wait.
  /// kDiskFull from a store that waits for room: not known to be durable.
  /// Without the mutex.
  virtual Status wait(Seq seq) = 0;
  /// As Limiter::when_durable. Without the mutex.
  virtual void when_durable(Seq seq, std::function<void(const Status&)> done) = 0;
  [[nodiscard]] virtual Seq durable_seq() const noexcept = 0;
  [[nodiscard]] virtual Seq last_seq() const noexcept = 0;

  /// With the mutex held. The owner reports what it appends; see UnsyncedAge.
  [[nodiscard]] virtual UnsyncedAge& unsynced() noexcept = 0;

  /// on_tick(), then everything appended so far is durable. Without the mutex.
  virtual Status flush() = 0;
  /// Writes a snapshot while appends go on, and drops the log before the previous one. Without the mutex; one at a
  /// time, later callers wait and then make their own.
  virtual Status compact() = 0;

  /// Shows every retained record up to the last one at the call, oldest first, until `visit` returns false. Reads the
  /// files beside the writer and holds up neither it nor a compaction: when one removes what was to be shown next,
  /// `forget` is called, since what was shown before is not retained any more either. Without the mutex.
  virtual Status read_log(const std::function<bool(const Record&)>& visit,
                          const std::function<void()>& forget) const = 0;

  /// Ok, or the failure that stopped the store. Does not block.
  [[nodiscard]] virtual Status health() const = 0;
  /// Without what only the owner knows: keys, decisions and the age of the oldest record.
  [[nodiscard]] virtual Stats stats() const = 0;
  /// What recovery found and did that an operator should know.
  [[nodiscard]] virtual std::vector<Finding> findings() const = 0;

  /// One turn of the background work: on_tick, flush when due, seal when idle, compaction when due. Without the mutex.
  virtual Status tick() = 0;

  /// on_tick(), flush, clean-close mark, manifest, lock released. Later appends fail with kClosed. A compaction that
  /// runs is given up. Idempotent: later calls return what the first did.
  virtual Status close() = 0;
};

}  // namespace flint::storage
