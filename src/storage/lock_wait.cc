#include "storage/lock_wait.h"

#include "base/patience.h"
#include "storage/errors.h"
#include "storage/file_names.h"

namespace flint::storage {
namespace {

using Lock = std::unique_ptr<io::DirectoryLock>;

Result<Lock> take_lock(io::Directory& directory, LockFor use) {
  if (use == LockFor::kWriting) return directory.lock(kLockName);
  Result<Lock> lock = directory.lock_shared(kLockName);
  return lock.code() == Code::kNotFound ? Lock() : std::move(lock);
}

}  // namespace

/// Each try is a short one: a process that is forked meanwhile must not have a copy of a lock that it does not know of.
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
