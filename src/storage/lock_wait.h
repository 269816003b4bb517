#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "io/file_system.h"

namespace flint::storage {

/// What the lock file says of its holder, for people and for parse_holder(): `process 4711, embedded`, or `process
/// 4711, server at URL`.
[[nodiscard]] std::string holder_text(std::string_view server_address);

/// How to wait for a directory that another process has.
struct LockWait {
  std::chrono::milliseconds most{0};
  /// Asked before each further try; false ends the wait.
  std::function<bool()> keep_waiting = {};
  /// Once true, the wait ends with kClosed: see Options::stop_opening.
  const std::atomic<bool>* stop = nullptr;
};

enum class LockFor : std::uint8_t { kWriting, kReading };

/// The lock of the directory. Null for reading where there is no lock file: no writer was ever there. kDataDirLocked,
/// with what the holder says of itself, when the wait was in vain; readers say nothing of themselves.
///
/// A directory may be wanted by many: those that have waited for longer try more often.
Result<std::unique_ptr<io::DirectoryLock>> wait_for_lock(io::Directory& directory, LockFor use, const LockWait& wait);

}  // namespace flint::storage
