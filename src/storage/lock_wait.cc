#include "storage/lock_wait.h"

#include <fmt/format.h>

#include "base/patience.h"
#include "storage/errors.h"
#include "storage/files.h"

namespace flint::storage {
namespace {

using Lock = std::unique_ptr<io::DirectoryLock>;

/// Adds to kDataDirLocked what the lock file says about its holder. That text is a hint: the lock itself is the
/// kernel's, and the text may be from an earlier holder.
Status with_holder(const io::Directory& directory, const Status& locked) {
  const Result<std::string> holder = directory.read_lock_holder(kLockName);
  if (!holder.ok() || holder->empty()) return locked;
  return {locked.code(), fmt::format("{} Its holder says: {}.", locked.message(), *holder)};
}

Result<Lock> take_lock(io::Directory& directory, LockFor use) {
  if (use == LockFor::kWriting) return directory.lock(kLockName);
  Result<Lock> lock = directory.lock_shared(kLockName);
  return lock.code() == Code::kNotFound ? Lock() : std::move(lock);
}

}  // namespace

/// Tries in turns instead of blocking in flock(2): while a try runs, this process cannot fork, since the child would
/// hold a copy of a lock that it does not know of. A wait of seconds would stop every fork of the host for as long.
Result<Lock> wait_for_lock(io::Directory& directory, LockFor use, const LockWait& wait) {
  const base::Patience patience(wait.most);
  for (;;) {
    Result<Lock> lock = take_lock(directory, use);
    if (lock.code() != Code::kDataDirLocked) return lock;
    if (wait.stop != nullptr && wait.stop->load(std::memory_order_relaxed)) return opening_stopped(directory);
    if (!patience.pause()) return with_holder(directory, lock.status());
    if (wait.keep_waiting && !wait.keep_waiting()) return with_holder(directory, lock.status());
  }
}

}  // namespace flint::storage
