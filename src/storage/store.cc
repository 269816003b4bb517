#include "storage/store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "storage/errors.h"
#include "storage/file_names.h"
#include "storage/fork_guarded_store.h"
#include "storage/lock_wait.h"
#include "storage/read_only_store.h"
#include "storage/settle.h"
#include "storage/surroundings.h"
#include "storage/writable_store.h"

namespace flint::storage {
namespace {

using Lock = std::unique_ptr<io::DirectoryLock>;

/// Below this a segment could not hold a header and a few records.
constexpr std::uint64_t kLeastSegmentBytes = 1024;

std::string describe_holder(const StoreOptions& options) {
  const std::string role = options.holder.empty() ? "embedded" : "server at " + options.holder;
  return fmt::format("process {}, {}", ::getpid(), role);
}

/// Open fails by what went wrong, not as a store that had been open.
Status open_failure(const Status& status) {
  return status.code() == Code::kStorageFailed ? Status(Code::kIoError, status.message()) : status;
}

Result<std::unique_ptr<Store>> open_read_only(io::Directory& directory, Lock lock, Recovery recovery) {
  if (!recovery.exists) {
    return Status(Code::kNotFound, fmt::format("there is no Flint data in {}: nothing was created", directory.path()));
  }
  return std::unique_ptr<Store>(std::make_unique<ReadOnlyStore>(directory, std::move(lock), std::move(recovery)));
}

Result<std::unique_ptr<Store>> open_writable(io::Directory& directory, StateMachine& state, StoreOptions options,
                                             Lock lock, Recovery recovery) {
  options.first_segment_bytes = std::max(options.first_segment_bytes, kLeastSegmentBytes);
  Result<std::shared_ptr<Segment>> segment =
      settle(directory, {options.first_segment_bytes, options.max_segment_bytes}, recovery);
  if (!segment.ok()) return segment.status();
  give_back_room(directory, recovery);
  remove_leftovers(directory, recovery);
  if (Status described = lock->describe_holder(describe_holder(options)); !described.ok()) {
    recovery.findings.push_back({.fatal = false, .message = described.message()});
  }
  auto store = std::make_unique<WritableStore>(directory, state, options, std::move(lock), std::move(recovery),
                                               std::move(*segment));
  if (options.background) {
    if (Status started = store->start_background(); !started.ok()) return started;
  }
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(io::Directory& directory, StateMachine& state, const StoreOptions& options) {
  std::vector<Finding> findings;
  if (Status usable = check_surroundings(directory, options.allow_network_file_system, findings); !usable.ok()) {
    return usable;
  }
  Result<Lock> lock = wait_for_lock(directory, options.read_only ? LockFor::kReading : LockFor::kWriting, options.lock);
  if (!lock.ok()) return lock.status();
  Result<Recovery> recovery = recover(
      directory, state, options.accept_unfinished_import ? UnfinishedImport::kAccept : UnfinishedImport::kRefuse);
  if (!recovery.ok()) return recovery.status();
  recovery->findings.insert(recovery->findings.begin(), findings.begin(), findings.end());

  Result<std::unique_ptr<Store>> store =
      options.read_only ? open_read_only(directory, std::move(*lock), std::move(*recovery))
                        : open_writable(directory, state, options, std::move(*lock), std::move(*recovery));
  if (!store.ok()) return open_failure(store.status());
  return std::unique_ptr<Store>(std::make_unique<ForkGuardedStore>(std::move(*store)));
}

}  // namespace flint::storage
