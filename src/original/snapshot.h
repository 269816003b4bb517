#pragma once

#include <cstdint>
#include <string_view>

#include "io/file_system.h"
#include "original/log.h"
#include "original/usage.h"

namespace flint::original {

inline constexpr std::string_view kSnapshotName = "flint.snapshot";

struct SnapshotReport {
  bool exists = false;
  std::uint64_t keys = 0;
  /// How much of the log it holds, in bytes.
  std::uint64_t log_offset = 0;
};

/// Adds what flint.snapshot holds to `usage`, which is empty: each key's limit, what is used of it, and its counters. A
/// snapshot that is not what the original writes, or whose checksum does not match, is kCorruption that names file and
/// line.
Result<SnapshotReport> read_snapshot(io::Directory& directory, Usage& usage, const Progress& progress);

}  // namespace flint::original
