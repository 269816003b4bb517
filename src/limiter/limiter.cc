#include "flint/limiter.h"

#include "io/memory_file_system.h"
#include "io/posix_file_system.h"
#include "limiter/engine.h"
#include "storage/backup.h"
#include "storage/inspect.h"
#include "storage/repair.h"

namespace flint {

/// Nothing but a name for the engine that no public header mentions.
class Limiter::Impl {
 public:
  static Result<std::unique_ptr<Limiter>> open(std::unique_ptr<io::Directory> directory, const Options& options) {
    auto engine = limiter::Engine::open(std::move(directory), options);
    if (!engine.ok()) return engine.status();
    auto impl = std::make_unique<Impl>();
    impl->engine = std::move(*engine);
    return std::unique_ptr<Limiter>(new Limiter(std::move(impl)));
  }

  std::unique_ptr<limiter::Engine> engine;
};

namespace {

/// What the deferred call decided, once that is durable.
template <typename T>
Result<T> await(limiter::Engine& engine, Result<Deferred<T>> deferred) {
  if (!deferred.ok()) return deferred.status();
  if (Status durable = engine.wait(deferred->ticket); !durable.ok()) return durable;
  return std::move(deferred->value);
}

Status await(limiter::Engine& engine, const Result<Ticket>& ticket) {
  return ticket.ok() ? engine.wait(*ticket) : ticket.status();
}

Status hand_over(const Result<Ticket>& from, Ticket* to) {
  if (from.ok()) *to = *from;
  return from.status();
}

Status validate_options(const Options& options) {
  if (options.flush_every.count() < 1 || options.flush_every > kMaxFlushEvery) {
    return {Code::kInvalidArgument, "flush_every must be from 1 ms to " + std::to_string(kMaxFlushEvery.count()) +
                                        " ms, not " + std::to_string(options.flush_every.count()) + " ms."};
  }
  if (options.flush_every_events < 1 || options.flush_every_events > kMaxFlushEveryEvents) {
    return {Code::kInvalidArgument, "flush_every_events must be from 1 to " + std::to_string(kMaxFlushEveryEvents) +
                                        ", not " + std::to_string(options.flush_every_events) + "."};
  }
  if (options.max_unsynced.count() < 1 || options.max_unsynced > kMaxMaxUnsynced) {
    return {Code::kInvalidArgument, "max_unsynced must be from 1 ms to " + std::to_string(kMaxMaxUnsynced.count()) +
                                        " ms, not " + std::to_string(options.max_unsynced.count()) + " ms."};
  }
  if (options.max_keys < 1 || options.max_keys > kMaxMaxKeys) {
    return {Code::kInvalidArgument, "max_keys must be from 1 to " + std::to_string(kMaxMaxKeys) + ", not " +
                                        std::to_string(options.max_keys) + "."};
  }
  if (options.lock_timeout.count() < 0 || options.lock_timeout > kMaxLockTimeout) {
    return {Code::kInvalidArgument, "lock_timeout must be from 0 ms to " + std::to_string(kMaxLockTimeout.count()) +
                                        " ms, not " + std::to_string(options.lock_timeout.count()) + " ms."};
  }
  if (options.compact_after_bytes < (std::uint64_t{1} << 20) ||
      options.compact_after_bytes > (std::uint64_t{1} << 40)) {
    return {Code::kInvalidArgument, "compact_after_bytes must be from 1048576 (1 MiB) to 1099511627776 (1 TiB), not " +
                                        std::to_string(options.compact_after_bytes) + "."};
  }
  return {};
}

/// With a state that only sees what is on disk.
template <typename Examine>
Result<DoctorReport> examine(io::Directory& directory, const Examine& storage_examine) {
  base::Mutex mutex;
  limiter::LimiterState scratch(mutex, [] { return Status(); });
  Result<DoctorReport> report = storage_examine(directory, scratch);
  if (!report.ok()) return report;
  report->limits = scratch.keys.size();
  scratch.catch_up_time();
  limiter::LimiterClock clock(system_clock(), scratch.time);
  for (Finding& finding : clock.findings()) report->findings.push_back(std::move(finding));
  return report;
}

}  // namespace

Result<std::unique_ptr<Limiter>> Limiter::open(std::string_view data_dir, const Options& options) {
  if (Status valid = validate_options(options); !valid.ok()) return valid;
  auto directory = io::open_posix_directory(
      data_dir, options.mode == OpenMode::kReadOnly ? io::OpenDirectory::kMustExist : io::OpenDirectory::kCreate,
      options.map_log ? io::MapFiles::kWhereSafe : io::MapFiles::kNever);
  if (!directory.ok()) return directory.status();
  return Impl::open(std::move(*directory), options);
}

Result<std::unique_ptr<Limiter>> Limiter::open_in_memory(const Options& options) {
  if (Status valid = validate_options(options); !valid.ok()) return valid;
  return Impl::open(io::MemoryDisk().directory(), options);
}

Limiter::Limiter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Limiter::~Limiter() = default;

Status Limiter::limit(std::string_view key, const Limit& limit, const LimitOptions& options) {
  return await(*impl_->engine, impl_->engine->limit(key, limit, options));
}
Result<LimitChanges> Limiter::apply(std::span<const NamedLimit> limits, const ApplyOptions& options) {
  return await(*impl_->engine, impl_->engine->apply(limits, options));
}
Result<Decision> Limiter::check(std::string_view key, Units cost) {
  return await(*impl_->engine, impl_->engine->check(key, cost));
}
Result<Decision> Limiter::check(std::string_view key, Units cost, const CheckOptions& options) {
  return await(*impl_->engine, impl_->engine->check(key, cost, options));
}
Result<CheckAllResult> Limiter::check_all(std::span<const CheckItem> items, const CheckAllOptions& options) {
  return await(*impl_->engine, impl_->engine->check_all(items, options));
}
Result<std::vector<Result<Decision>>> Limiter::check_batch(std::span<const BatchCheck> checks) {
  return await(*impl_->engine, impl_->engine->check_batch(checks));
}
Result<Decision> Limiter::charge(std::string_view key, Units cost, const ChargeOptions& options) {
  return await(*impl_->engine, impl_->engine->charge(key, cost, options));
}
Result<ReserveResult> Limiter::reserve(std::span<const CheckItem> items, const ReserveOptions& options) {
  return await(*impl_->engine, impl_->engine->reserve(items, options));
}
Result<Settlement> Limiter::commit(std::string_view reservation, std::span<const ActualCost> costs) {
  return await(*impl_->engine, impl_->engine->commit(reservation, costs));
}
Result<Settlement> Limiter::cancel(std::string_view reservation) {
  return await(*impl_->engine, impl_->engine->cancel(reservation));
}
Result<ReservationStatus> Limiter::renew(std::string_view reservation, Nanos ttl) {
  return await(*impl_->engine, impl_->engine->renew(reservation, ttl));
}
Result<ReservationStatus> Limiter::reservation(std::string_view reservation) const {
  return impl_->engine->reservation(reservation);
}
Status Limiter::reset(std::string_view key) { return await(*impl_->engine, impl_->engine->reset(key)); }
Status Limiter::remove(std::string_view key) { return await(*impl_->engine, impl_->engine->remove(key)); }
Result<std::uint64_t> Limiter::reset_prefix(std::string_view prefix) {
  return await(*impl_->engine, impl_->engine->reset_prefix(prefix));
}
Result<std::uint64_t> Limiter::remove_prefix(std::string_view prefix) {
  return await(*impl_->engine, impl_->engine->remove_prefix(prefix));
}

Status Limiter::limit_deferred(std::string_view key, const Limit& limit, Ticket* ticket, const LimitOptions& options) {
  return hand_over(impl_->engine->limit(key, limit, options), ticket);
}
Result<Deferred<Decision>> Limiter::check_deferred(std::string_view key, Units cost) {
  return impl_->engine->check(key, cost);
}
Result<Deferred<Decision>> Limiter::check_deferred(std::string_view key, Units cost, const CheckOptions& options) {
  return impl_->engine->check(key, cost, options);
}
Result<Deferred<CheckAllResult>> Limiter::check_all_deferred(std::span<const CheckItem> items,
                                                             const CheckAllOptions& options) {
  return impl_->engine->check_all(items, options);
}
Result<Deferred<std::vector<Result<Decision>>>> Limiter::check_batch_deferred(std::span<const BatchCheck> checks) {
  return impl_->engine->check_batch(checks);
}
Result<Deferred<Decision>> Limiter::charge_deferred(std::string_view key, Units cost, const ChargeOptions& options) {
  return impl_->engine->charge(key, cost, options);
}
Result<Deferred<ReserveResult>> Limiter::reserve_deferred(std::span<const CheckItem> items,
                                                          const ReserveOptions& options) {
  return impl_->engine->reserve(items, options);
}
Result<Deferred<Settlement>> Limiter::commit_deferred(std::string_view reservation, std::span<const ActualCost> costs) {
  return impl_->engine->commit(reservation, costs);
}
Result<Deferred<Settlement>> Limiter::cancel_deferred(std::string_view reservation) {
  return impl_->engine->cancel(reservation);
}
Result<Deferred<ReservationStatus>> Limiter::renew_deferred(std::string_view reservation, Nanos ttl) {
  return impl_->engine->renew(reservation, ttl);
}
Status Limiter::reset_deferred(std::string_view key, Ticket* ticket) {
  return hand_over(impl_->engine->reset(key), ticket);
}
Status Limiter::remove_deferred(std::string_view key, Ticket* ticket) {
  return hand_over(impl_->engine->remove(key), ticket);
}

Status Limiter::wait(Ticket ticket) { return impl_->engine->wait(ticket); }
void Limiter::when_durable(Ticket ticket, std::function<void(const Status&)> done) {
  impl_->engine->when_durable(ticket, std::move(done));
}
bool Limiter::is_durable(Ticket ticket) const noexcept { return impl_->engine->is_durable(ticket); }

Result<LimitStatus> Limiter::status(std::string_view key) const { return impl_->engine->status(key); }
std::optional<Limit> Limiter::limit_of(std::string_view key) const { return impl_->engine->limit_of(key); }
Result<std::vector<LimitStatus>> Limiter::list(const ListQuery& query) const { return impl_->engine->list(query); }
Result<std::vector<Event>> Limiter::history(std::string_view key, std::size_t limit) const {
  return impl_->engine->history(key, limit);
}
Result<std::vector<LimitStatus>> Limiter::top(TopBy by, std::size_t limit) const {
  return impl_->engine->top(by, limit);
}

Status Limiter::compact() { return impl_->engine->compact(); }
Status Limiter::flush() { return impl_->engine->flush(); }
DoctorReport Limiter::doctor() const { return impl_->engine->doctor(); }
Stats Limiter::stats() const { return impl_->engine->stats(); }
Status Limiter::health() const { return impl_->engine->health(); }
Status Limiter::close() { return impl_->engine->close(); }

Result<DoctorReport> inspect(std::string_view data_dir) {
  auto directory = io::open_posix_directory(data_dir, io::OpenDirectory::kMustExist);
  if (!directory.ok()) return directory.status();
  return examine(**directory, storage::inspect);
}

Result<BackupReport> backup(std::string_view data_dir, std::string_view to) {
  auto from = io::open_posix_directory(data_dir, io::OpenDirectory::kMustExist);
  if (!from.ok()) return from.status();
  auto copy = io::open_posix_directory(to, io::OpenDirectory::kCreate);
  if (!copy.ok()) return copy.status();
  base::Mutex mutex;
  limiter::LimiterState scratch(mutex, [] { return Status(); });
  const Result<storage::BackupResult> done = storage::back_up(**from, **copy, scratch);
  if (!done.ok()) return done.status();
  return BackupReport{
      .directory = std::string(to), .limits = scratch.keys.size(), .last_seq = done->last_seq, .bytes = done->bytes};
}

Result<DoctorReport> repair(std::string_view data_dir, std::chrono::milliseconds lock_timeout) {
  auto directory = io::open_posix_directory(data_dir, io::OpenDirectory::kMustExist);
  if (!directory.ok()) return directory.status();
  return examine(**directory, [&](io::Directory& files, storage::Owner& state) {
    return storage::repair(files, state, {.most = lock_timeout});
  });
}

}  // namespace flint
