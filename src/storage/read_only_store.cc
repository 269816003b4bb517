#include "storage/read_only_store.h"

#include <fmt/format.h>

#include "storage/log_reader.h"

namespace flint::storage {

/// durable_seq() is the last sequence number that was read, although some of it may be in the page cache alone: this
/// process promises nothing about it and cannot sync it, and a wait for it would never end.
ReadOnlyStore::ReadOnlyStore(io::Directory& directory, std::unique_ptr<io::DirectoryLock> lock, Recovery recovery)
    : directory_(directory),
      recovery_(std::move(recovery)),
      durable_seq_(recovery_.last_seq),
      unsynced_(durable_seq_, Nanos::max()),
      lock_(std::move(lock)) {}

Status ReadOnlyStore::refusal() const {
  if (Status open = health(); !open.ok()) return open;
  return {Code::kPermission, fmt::format("{} was opened for reading only", directory_.path())};
}

Result<Seq> ReadOnlyStore::append(RecordKind, std::span<const std::byte>) { return refusal(); }

Status ReadOnlyStore::wait(Seq seq) { return seq <= recovery_.last_seq ? Status() : refusal(); }

void ReadOnlyStore::when_durable(Seq seq, std::function<void(const Status&)> done) { done(wait(seq)); }

Status ReadOnlyStore::compact() { return refusal(); }

Status ReadOnlyStore::read_log(const std::function<bool(const Record&)>& visit,
                               const std::function<void()>& forget) const {
  // The lock keeps writers out.
  const auto none_is_dropped = [](std::uint64_t) { return false; };
  return read_segments(directory_, recovery_.segments, recovery_.last_seq, {visit, forget, none_is_dropped});
}

Status ReadOnlyStore::health() const {
  base::MutexLock lock(lock_mutex_);
  if (!closed_) return {};
  return {Code::kClosed, fmt::format("the store in {} is closed", directory_.path())};
}

Stats ReadOnlyStore::stats() const { return recovery_.stats(); }

Status ReadOnlyStore::close() {
  base::MutexLock lock(lock_mutex_);
  closed_ = true;
  lock_.reset();
  return {};
}

}  // namespace flint::storage
