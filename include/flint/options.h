#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "flint/doctor.h"
#include "flint/time.h"

namespace flint {

enum class SyncMode : std::uint8_t {
  /// When a call returns, its event is on stable storage. Concurrent callers share one fsync.
  kAlways,
  /// When a call returns, its event is in the operating system's hands: a SIGKILL of the process loses no grant. A
  /// flush starts after `flush_every` or `flush_every_events`, whichever comes first; a crash of the machine loses what
  /// came after the last completed one. Changes wait while the oldest event that is not durable is older than
  /// `max_unsynced`, so a crash loses at most that plus what one sync takes.
  kBatch,
};

enum class OpenMode : std::uint8_t {
  /// Take the directory as its single writer; create it (0700) when it does not exist.
  kReadWrite,
  /// Read what is there now: no file is created, changed or locked for writing, and changes are refused with
  /// kPermission.
  /// Fails with kDataDirLocked while a writer holds the directory.
  kReadOnly,
};

inline constexpr std::chrono::milliseconds kLongestFlushEvery{60'000};
inline constexpr std::uint64_t kMostFlushEveryEvents = 1'000'000;
inline constexpr std::chrono::milliseconds kLongestMaxUnsynced{3'600'000};
inline constexpr std::chrono::milliseconds kLongestLockTimeout{86'400'000};

struct Options {
  SyncMode sync = SyncMode::kAlways;
  OpenMode mode = OpenMode::kReadWrite;
  /// Batch: a flush starts when the oldest event that is not durable is this old. 1 ms to kLongestFlushEvery.
  std::chrono::milliseconds flush_every{100};
  /// Batch: a flush starts as soon as this many events wait for it. 1 to kMostFlushEveryEvents.
  std::uint64_t flush_every_events = 100;
  /// Batch: while the oldest event that is not durable is older than this, each change returns only once its own event
  /// is durable. When it is shorter than `flush_every`, flushes start this often. 1 ms to kLongestMaxUnsynced.
  std::chrono::milliseconds max_unsynced{1000};
  /// The log is compacted in the background when it has grown by this much, or by twice the last snapshot, whichever is
  /// more. 1 MiB to 1 TiB.
  std::uint64_t compact_after_bytes = std::uint64_t{32} << 20;
  /// Append to the log through a memory map where a store to reserved room cannot fail: on ext4, on tmpfs, and on XFS
  /// that was made without reflink. A check is cheaper that way. False: always with plain writes, so that a device that
  /// fails or a log file that another program cuts off is an error and not SIGBUS. Elsewhere the log is never mapped.
  bool map_log = true;
  /// Allow a data directory on a network file system, whose locks and syncs may not hold what Flint promises.
  bool allow_network_file_system = false;
  /// How long open() waits for a directory that another process has; then it fails with kDataDirLocked. 0: not at all.
  /// Up to kLongestLockTimeout. Who has waited for longer tries more often.
  std::chrono::milliseconds lock_timeout{0};
  /// Asked before each further try of that wait, on the thread that opens; false ends it, as the end of `lock_timeout`
  /// does. So a program can stop waiting when it is asked to end. Must not throw. Empty: never.
  std::function<bool()> keep_waiting = {};
  /// When it becomes true, which a signal handler may do, open() stops waiting for the lock or reading, and fails with
  /// kClosed. The directory stays as it was. Outlives open(); null: nothing stops it.
  const std::atomic<bool>* stop_opening = nullptr;
  /// How the lock file describes this process to others; empty for an embedded one, else the server's address.
  std::string server_address = {};
  /// Where time is read; must outlive the Limiter.
  const Clock* clock = &system_clock();
  /// What the program that opens the directory knows and an operator should: doctor() reports it as well.
  std::vector<Finding> findings = {};
};

}  // namespace flint
