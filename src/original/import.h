#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "flint/status.h"
#include "limiter/keys.h"
#include "original/log.h"
#include "original/snapshot.h"

/// Directories of the original Flint, the one in Rust: flint.snapshot and flint.aof, both in JSON. What is read here is
/// the format of its versions 0.1 and 0.2 and what followed under format version 1.
namespace flint::original {

struct ImportOptions {
  /// The original's directory: only read.
  std::string from;
  /// Where the limits go: a directory that is not there yet or holds no limits.
  std::string data_dir;
  /// How long to wait for a data directory that another process has.
  std::chrono::milliseconds lock_timeout{0};
  Progress progress = {};
};

struct ImportReport {
  std::uint64_t keys = 0;
  SnapshotReport snapshot;
  LogReport log;
  /// Times after now, of a wall clock that was ahead: they count as now.
  std::uint64_t late_times = 0;
};

/// Makes what `from` says the content of `data_dir`: all of it, or after a failure or a crash nothing, or a directory
/// that does not open before an import into it is complete. kInvalidArgument: `from` holds neither file, or `data_dir`
/// holds limits already. kDataDirLocked: a process has one of the directories. kCorruption: FILE:LINE: what is wrong.
/// Else what the file system says.
Result<ImportReport> import_directory(const ImportOptions& options);

/// The reading alone.
struct Content {
  limiter::Keys keys;
  ImportReport report;
};
Result<Content> read_directory(io::Directory& from, WallTime now, const Progress& progress);

}  // namespace flint::original
