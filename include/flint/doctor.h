#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flint/status.h"

namespace flint {

/// A fact that an operator should know. `fatal`: the directory does not open until it is repaired.
struct Finding {
  bool fatal = false;
  /// A sentence that names the file and the offset where they apply, and says what to do.
  std::string message;
};

/// One file of a data directory, as a reader finds it.
struct FileMap {
  std::string name;
  std::string kind;  ///< `log`, `snapshot`, `manifest`, `lock`, `tail`, `other`
  std::uint64_t bytes = 0;
  /// Log: the first and last sequence numbers that it holds; first > last if it holds none. Snapshot: both are its
  /// position.
  std::uint64_t first_seq = 0;
  std::uint64_t last_seq = 0;
  std::uint64_t records = 0;
  /// Log: the offset at which valid records end.
  std::uint64_t valid_bytes = 0;
};

struct DoctorReport {
  /// The directory opens, nothing was lost, and nothing is degraded.
  bool ok = true;
  std::string data_dir;
  std::uint64_t limits = 0;
  /// The size in bytes of the log records that a reopen would read.
  std::uint64_t log_bytes = 0;
  bool snapshot_exists = false;
  std::uint64_t snapshot_bytes = 0;
  std::uint64_t last_seq = 0;
  std::uint64_t durable_seq = 0;
  /// Storage failed: no changes are accepted until the directory is reopened.
  bool failed = false;
  /// Something is wrong, but everything acknowledged is present (for example, an older snapshot had to be used).
  bool degraded = false;
  std::vector<Finding> findings;
  std::vector<FileMap> files;
};

/// Reads a data directory without its lock and without writing a byte, even while another process writes to it. Fails
/// with kNotFound or kPermission only if nothing can be read at all; damage is in the report.
[[nodiscard]] Result<DoctorReport> inspect(std::string_view data_dir);

/// The only function that discards data. Takes the lock, and copies manifest, snapshots and log inside the directory to
/// `repair-<n>-<name>` (durable before anything else is changed; nothing reads or removes these copies). Then keeps the
/// longest undamaged prefix: the newest good snapshot and the log after it, up to the first damage. The findings report
/// the dropped data. A directory that opens is left unchanged. kUnsupportedFormat: nothing was changed.
///
/// Waits up to `lock_timeout` for a directory that another process has, then fails with kDataDirLocked.
[[nodiscard]] Result<DoctorReport> repair(std::string_view data_dir,
                                          std::chrono::milliseconds lock_timeout = std::chrono::milliseconds(0));

struct BackupReport {
  /// The directory of the copy.
  std::string directory;
  /// Limits, patterns and keys in it.
  std::uint64_t limits = 0;
  /// The copy has everything up to this event.
  std::uint64_t last_seq = 0;
  std::uint64_t bytes = 0;
};

/// Copies a data directory into `to`, which must not exist or be empty, also while another process writes to it:
/// without its lock, and without writing a byte there. The copy is the state as of a moment during the call, with the
/// log that is retained, and a data directory like any other. What a writer has not logged yet, the newest counts of
/// denials, is not in it.
///
/// When this returns, the copy is on stable storage, and was read back and found whole. A copy that a crash cut short
/// does not open. Fails with kInvalidArgument (`to` is not empty), kNotFound, kCorruption, kUnsupportedFormat,
/// kPermission, kDiskFull or kIoError, and `to` is then empty.
[[nodiscard]] Result<BackupReport> backup(std::string_view data_dir, std::string_view to);

}  // namespace flint
