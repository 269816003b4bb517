#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "io/file_system.h"

namespace flint::storage {

/// The text that describes the holder in the lock file, for people and for parse_holder(): `process 4711, embedded`, or
/// `process 4711, server at URL`.
[[nodiscard]] std::string holder_text(std::string_view server_address);

/// How to wait for a directory that another process holds.
struct LockWait {
  std::chrono::milliseconds most{0};
  /// Called before each further attempt; false ends the wait.
  std::function<bool()> keep_waiting = {};
  /// Once true, the wait ends with kClosed: see Options::stop_opening.
  const std::atomic<bool>* stop = nullptr;
};

enum class LockFor : std::uint8_t { kWriting, kReading };

/// Takes the lock of the directory. Returns null for reading if there is no lock file, and therefore never was a
/// writer. Fails with kDataDirLocked when the wait is over; the message describes the holder, unless that is a reader.
///
/// Many processes may want one directory: a process that has waited longer tries more often.
Result<std::unique_ptr<io::DirectoryLock>> wait_for_lock(io::Directory& directory, LockFor use, const LockWait& wait);

}  // namespace flint::storage
