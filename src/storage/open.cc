#include <fmt/format.h>

#include "storage/errors.h"
#include "storage/files.h"
#include "storage/lock_wait.h"
#include "storage/read_only_store.h"
#include "storage/start_writing.h"
#include "storage/store.h"
#include "storage/surroundings.h"
#include "storage/waiting_store.h"

namespace flint::storage {
namespace {

using Lock = std::unique_ptr<io::DirectoryLock>;

/// kStorageFailed tells callers to reopen, which makes no sense for a store that is just being opened: they get the
/// failure of the disk itself.
Status open_failure(const Status& status) {
  return status.code() == Code::kStorageFailed ? Status(Code::kIoError, status.message()) : status;
}

Result<std::unique_ptr<Store>> open_read_only(io::Directory& directory, Lock lock, Recovery recovery) {
  if (!recovery.exists) {
    return Status(Code::kNotFound, fmt::format("there is no Flint data in {}: nothing was created", directory.path()));
  }
  return std::unique_ptr<Store>(std::make_unique<ReadOnlyStore>(directory, std::move(lock), std::move(recovery)));
}

/// An existing store also opens on a full disk: refusing would stop the service over usage that is only to be read, and
/// denials need no space. A new store does not: there is nothing to serve from it.
Result<std::unique_ptr<Store>> open_writable(Recovered recovered) {
  const bool exists = recovered.recovery.exists;
  Result<std::unique_ptr<WritableStore>> store = start_writing(recovered);
  if (store.ok()) return std::unique_ptr<Store>(std::move(*store));
  if (store.code() != Code::kDiskFull || !exists) return store.status();
  auto waiting = std::make_unique<WaitingStore>(std::move(recovered), store.status());
  if (Status started = waiting->start(); !started.ok()) return started;
  return std::unique_ptr<Store>(std::move(waiting));
}

}  // namespace

/// The order protects the directory: the file system is judged before the lock is trusted, and the lock is held before
/// anything is read, since another writer could change what recovery has just looked at. Recovery writes nothing, so
/// every refusal up to there leaves the files as they are; only open_writable() changes them.
Result<std::unique_ptr<Store>> Store::open(io::Directory& directory, Owner& state, base::Mutex& mutex,
                                           const StoreOptions& options) {
  std::vector<Finding> findings;
  if (Status usable = check_surroundings(directory, options.allow_network_file_system, findings); !usable.ok()) {
    return usable;
  }
  Result<Lock> lock = wait_for_lock(directory, options.read_only ? LockFor::kReading : LockFor::kWriting, options.lock);
  if (!lock.ok()) return lock.status();
  Result<Recovery> recovery = recover(
      directory, state, options.accept_unfinished_import ? UnfinishedImport::kAccept : UnfinishedImport::kRefuse,
      options.lock.stop);
  if (!recovery.ok()) return recovery.status();
  recovery->findings.insert(recovery->findings.begin(), findings.begin(), findings.end());

  auto front = std::make_shared<StoreFront>(recovery->proven_seq, options.max_unsynced);
  Result<std::unique_ptr<Store>> store =
      options.read_only
          ? open_read_only(directory, std::move(*lock), std::move(*recovery))
          : open_writable({directory, state, mutex, options, std::move(front), std::move(*lock), std::move(*recovery)});
  if (!store.ok()) return open_failure(store.status());
  return store;
}

}  // namespace flint::storage
