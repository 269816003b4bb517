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
  /// When a call returns, the operating system has its event: a SIGKILL of the process loses no grant. A flush starts
  /// after `flush_every` or `flush_every_events`, whichever comes first; a crash of the machine loses the events after
  /// the last completed flush. Changes wait while the oldest event that is not durable is older than `max_unsynced`, so
  /// a crash loses at most that plus the duration of one sync.
  kBatch,
};

enum class OpenMode : std::uint8_t {
  /// Opens the directory as its single writer; creates it (0700) if it does not exist.
  kReadWrite,
  /// Reads the current contents: no file is created, changed or locked for writing, and changes fail with kPermission.
  /// The open fails with kDataDirLocked while a writer holds the directory.
  kReadOnly,
};

/// What a check of a new key is told once there are as many as Options::max_keys.
enum class OnFull : std::uint8_t { kDeny, kAllow };

inline constexpr std::uint64_t kMaxMaxKeys = 100'000'000;
inline constexpr std::chrono::milliseconds kMaxFlushEvery{60'000};
inline constexpr std::uint64_t kMaxFlushEveryEvents = 1'000'000;
inline constexpr std::chrono::milliseconds kMaxMaxUnsynced{3'600'000};
inline constexpr std::chrono::milliseconds kMaxLockTimeout{86'400'000};

struct Options {
  SyncMode sync = SyncMode::kAlways;
  OpenMode mode = OpenMode::kReadWrite;
  /// Batch: a flush starts when the oldest event that is not durable reaches this age. 1 ms to kMaxFlushEvery.
  std::chrono::milliseconds flush_every{100};
  /// Batch: a flush starts as soon as this many events wait for it. 1 to kMaxFlushEveryEvents.
  std::uint64_t flush_every_events = 100;
  /// Batch: while the oldest event that is not durable is older than this, each change returns only once its own event
  /// is durable. If it is shorter than `flush_every`, flushes start this often. 1 ms to kMaxMaxUnsynced.
  std::chrono::milliseconds max_unsynced{1000};
  /// The log is compacted in the background when it has grown by this size, or by twice the size of the last snapshot,
  /// whichever is more. 1 MiB to 1 TiB.
  std::uint64_t compact_after_bytes = std::uint64_t{32} << 20;
  /// How many keys may live by patterns and by limits that checks carry; keys that have a limit of their own do not
  /// count. 1 to kMaxMaxKeys.
  std::uint64_t max_keys = 10'000'000;
  OnFull on_full = OnFull::kDeny;
  /// True: append to the log through a memory map, which makes a check cheaper. This applies only where a store to
  /// reserved space cannot fail: on ext4, on tmpfs, and on XFS that was made without reflink; on other file systems the
  /// log is never mapped. False: always append with plain writes, so that a failing device, or a log file that another
  /// program truncates, causes an error and not SIGBUS.
  bool map_log = true;
  /// Allow a data directory on a network file system, whose locks and syncs may not guarantee what Flint promises.
  bool allow_network_file_system = false;
  /// How long open() waits for a directory that another process has; then it fails with kDataDirLocked. 0: it does not
  /// wait. Up to kMaxLockTimeout. A process that has waited longer tries more often.
  std::chrono::milliseconds lock_timeout{0};
  /// Called before each further try of that wait, on the thread that opens. If it returns false, the wait ends as it
  /// does at the end of `lock_timeout`, so that a program can stop waiting when it is asked to end. Must not throw.
  /// Empty: never called.
  std::function<bool()> keep_waiting = {};
  /// When it becomes true, which a signal handler may do, open() stops waiting for the lock or reading, and fails with
  /// kClosed. The directory is unchanged. Must outlive open(); null: nothing stops it.
  const std::atomic<bool>* stop_opening = nullptr;
  /// How the lock file describes this process to others: empty for an embedded limiter, otherwise the server's address.
  std::string server_address = {};
  /// The source of the time; must outlive the Limiter.
  const Clock* clock = &system_clock();
  /// Findings that the program which opens the directory adds for the operator: doctor() reports them as well.
  std::vector<Finding> findings = {};
};

}  // namespace flint
