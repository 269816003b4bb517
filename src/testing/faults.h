#pragma once

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "io/file_system.h"

/// What can be made to go wrong on a faulty disk, and what a crash leaves of it.
namespace flint::testing {

/// Calls that touch storage, and (below) calls that only read it.
enum class Call : std::uint8_t {
  kCreate,  ///< Also of a lock file.
  kWrite,
  kAllocate,
  kTruncate,
  kMap,
  kSync,
  kRename,
  kRemove,
  kSyncDirectory,
  kDescribeHolder,
  // Counted and failed only with FaultyOptions::count_reads.
  kOpen,
  kRead,
  kList,
};

[[nodiscard]] std::string_view call_name(Call call) noexcept;

struct CallRecord {
  Call call = Call::kWrite;
  std::string name;  ///< Of the file; "" for the directory.

  friend bool operator==(const CallRecord&, const CallRecord&) = default;
};

struct Fault {
  int error = EIO;  ///< An errno.
  /// Without: the call that fails did nothing. With: a random part of it was done (a prefix of a write, some sectors of
  /// a sync, the rename or not).
  std::optional<std::uint64_t> partly;
};

enum class Survives : std::uint8_t {
  kEverything,  ///< The process was killed: the current view.
  kOnlySynced,  ///< Power was lost, and nothing was written that had not been asked for.
  kRandom,      ///< Power was lost, and any part of what was not synced had been written.
};

struct CrashPolicy {
  Survives survives = Survives::kRandom;
  /// In kRandom, whole pages of 4 KiB are old or new instead of sectors.
  bool whole_pages = false;
};

struct FaultyOptions {
  std::string path = "/faulty";
  io::FileSystemKind kind = {"faulty", false, false};
  bool can_map = true;
  bool count_reads = false;
  /// Of a file. What is written is settled in the middle of that time, so that other threads can be early and late.
  std::chrono::microseconds sync_takes{0};
};

}  // namespace flint::testing
