#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flint/status.h"

namespace flint {

/// Something that an operator should know. `fatal`: the directory does not open until it is repaired.
struct Finding {
  bool fatal = false;
  /// A sentence with file and offset where they apply, and what to do.
  std::string message;
};

/// One file of a data directory, as a reader sees it.
struct FileMap {
  std::string name;
  std::string kind;  ///< `log`, `snapshot`, `manifest`, `lock`, `tail`, `other`
  std::uint64_t bytes = 0;
  /// Log: the sequence numbers it holds; first > last when it holds none. Snapshot: both are its position.
  std::uint64_t first_seq = 0;
  std::uint64_t last_seq = 0;
  std::uint64_t records = 0;
  /// Log: where valid records end.
  std::uint64_t valid_bytes = 0;
};

struct DoctorReport {
  /// The directory opens and nothing was lost or is degraded.
  bool ok = true;
  std::string data_dir;
  std::uint64_t limits = 0;
  /// Bytes of records in the log that a reopen would read.
  std::uint64_t log_bytes = 0;
  bool snapshot_exists = false;
  std::uint64_t snapshot_bytes = 0;
  std::uint64_t last_seq = 0;
  std::uint64_t durable_seq = 0;
  /// Storage failed: no changes are accepted until the directory is reopened.
  bool failed = false;
  /// Something is not as it should be, yet everything acknowledged is there (an older snapshot had to be used, say).
  bool degraded = false;
  std::vector<Finding> findings;
  std::vector<FileMap> files;
};

/// Reads a data directory without its lock and without writing a byte, also while another process writes to it.
/// Fails with kNotFound or kPermission only when nothing can be read at all; damage is in the report.
[[nodiscard]] Result<DoctorReport> inspect(std::string_view data_dir);

/// The only thing that discards data. Takes the lock, copies manifest, snapshots and log inside the directory to
/// `repair-<n>-<name>` (durable before anything else is touched; nothing reads or removes these copies), then keeps the
/// longest undamaged prefix: the newest good snapshot and the log behind it up to the first damage. What was dropped is
/// in the findings. A directory that opens is left as it is. kUnsupportedFormat: nothing was touched.
///
/// Waits up to `lock_timeout` for a directory that another process has, then fails with kDataDirLocked.
[[nodiscard]] Result<DoctorReport> repair(std::string_view data_dir,
                                          std::chrono::milliseconds lock_timeout = std::chrono::milliseconds(0));

}  // namespace flint
