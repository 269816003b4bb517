#include "storage/waiting_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "storage/errors.h"
#include "storage/log_reader.h"

namespace flint::storage {
namespace {

using std::chrono::steady_clock;

/// Between two attempts while no caller needs space.
constexpr Nanos kIdlePause = std::chrono::seconds(1);
constexpr Nanos kForEver = std::chrono::hours(24);
/// Attempts take at most one part in this many of the time: one may write megabytes before it finds that they do not
/// fit.
constexpr int kShareOfTime = 10;

}  // namespace

WaitingStore::WaitingStore(Recovered recovered, Status no_room)
    : front_(recovered.front),
      directory_(recovered.directory),
      state_(recovered.state),
      mutex_(recovered.mutex),
      look_every_(recovered.options.look_for_room_every),
      has_background_(recovered.options.background),
      last_seq_(recovered.recovery.last_seq),
      proven_seq_(recovered.recovery.proven_seq),
      segments_(recovered.recovery.segments),
      stats_(recovered.recovery.stats()),
      findings_(recovered.recovery.findings),
      recovered_(std::move(recovered)),
      no_room_(std::move(no_room)),
      next_look_(steady_clock::now() + look_every_) {}

WaitingStore::~WaitingStore() { looking_.stop(); }

Status WaitingStore::start() {
  {
    base::MutexLock lock(settling_mutex_);
    const LastSegment& last = *recovered_.recovery.last;
    Result<std::shared_ptr<Segment>> newest = Segment::reopen(directory_, last.header, last.used);
    if (!newest.ok()) return newest.status();
    newest_ = std::move(*newest);
    // For processes that are refused the lock. The lock file may have no space for it now; settling writes it again.
    static_cast<void>(describe_holder(recovered_));
  }
  if (!has_background_) return {};
  return looking_.start([this] {
    // A failure is kept, or tried again by the next turn.
    const bool is_done = writer(When::kNow).ok() || !health().ok();
    return is_done ? kForEver : kIdlePause;
  });
}

Status WaitingStore::refusal() const {
  if (failure_.happened()) return failure_.status();
  if (closed_) return {Code::kClosed, fmt::format("the store in {} is closed", directory_.path())};
  return {};
}

/// The one door to the store that writes. Once it exists, callers pass on one atomic load. Before that, settling_mutex_
/// lets one caller at a time try; the others find its result. A denied attempt is answered with the last failure until
/// the next look is due, so that a busy server on a full disk spends its time on answers and not on attempts.
Result<WritableStore*> WaitingStore::writer(When when) {
  if (WritableStore* store = settled(); store != nullptr) return store;
  base::MutexLock lock(settling_mutex_);
  if (store_ != nullptr) return store_.get();
  if (Status refused = refusal(); !refused.ok()) return refused;
  const steady_clock::time_point begin = steady_clock::now();
  if (when == When::kInTurn && begin < next_look_) return no_room_;
  no_room_ = failure_.note(try_to_settle());
  const steady_clock::time_point end = steady_clock::now();
  next_look_ = end + std::max(look_every_, look_every_.count() > 0 ? (end - begin) * (kShareOfTime - 1) : Nanos(0));
  if (!no_room_.ok()) return no_room_;
  return store_.get();
}

/// The store may have waited for hours, so lock and newest segment are checked as after each commit: settling writes a
/// manifest, and must not do so in a directory that another process owns. After start_writing() has taken the lock
/// over, there is no way back to waiting, so a failure then stops the store.
Status WaitingStore::try_to_settle() {
  if (Status held = recovered_.lock->still_held(); !held.ok()) return held;
  if (Status there = newest_->still_there(directory_); !there.ok()) return there;
  Result<std::unique_ptr<WritableStore>> store = start_writing(recovered_);
  if (!store.ok()) return recovered_.lock == nullptr ? after_failed_sync(store.status()) : store.status();
  newest_.reset();
  store_ = std::move(*store);
  settled_.store(store_.get(), std::memory_order_release);
  return {};
}

Result<Seq> WaitingStore::append(RecordKind kind, std::span<const std::byte> payload) {
  const Result<WritableStore*> store = writer(When::kInTurn);
  if (!store.ok()) [[unlikely]]
    return store.status();
  return (*store)->append(kind, payload);
}

Status WaitingStore::wait(Seq seq) {
  if (seq <= durable_seq()) return {};
  const Result<WritableStore*> store = writer(When::kInTurn);
  return store.ok() ? (*store)->wait(seq) : store.status();
}

void WaitingStore::when_durable(Seq seq, std::function<void(const Status&)> done) {
  if (seq <= durable_seq()) return done(Status());
  const Result<WritableStore*> store = writer(When::kInTurn);
  if (!store.ok()) return done(store.status());
  (*store)->when_durable(seq, std::move(done));
}

Seq WaitingStore::last_seq() const noexcept {
  const WritableStore* store = settled();
  return store != nullptr ? store->last_seq() : last_seq_;
}

Status WaitingStore::flush() {
  const Result<WritableStore*> store = writer(When::kNow);
  return store.ok() ? (*store)->flush() : store.status();
}

Status WaitingStore::compact() {
  const Result<WritableStore*> store = writer(When::kNow);
  return store.ok() ? (*store)->compact() : store.status();
}

Status WaitingStore::tick() {
  const Result<WritableStore*> store = writer(When::kNow);
  return store.ok() ? (*store)->tick() : store.status();
}

/// Settling removes segments that were written again, possibly during this read. The result is then not trusted, even
/// if no read failed, and the reader starts over in the settled store.
Status WaitingStore::read_log(const std::function<bool(const Record&)>& visit,
                              const std::function<void()>& forget) const {
  if (const WritableStore* store = settled(); store != nullptr) return store->read_log(visit, forget);
  const auto none_is_dropped = [](std::uint64_t) { return false; };
  Status read = read_segments(directory_, segments_, last_seq_, {visit, forget, none_is_dropped});
  const WritableStore* store = settled();
  if (read.ok() || store == nullptr) return read;
  forget();
  return store->read_log(visit, forget);
}

Status WaitingStore::health() const {
  const WritableStore* store = settled();
  return store != nullptr ? store->health() : refusal();
}

Stats WaitingStore::stats() const {
  if (const WritableStore* store = settled(); store != nullptr) return store->stats();
  Stats stats = stats_;
  stats.durable_seq = durable_seq();
  stats.waits_for_room = true;
  stats.failed = failure_.happened();
  return stats;
}

std::vector<Finding> WaitingStore::findings() const {
  if (const WritableStore* store = settled(); store != nullptr) return store->findings();
  std::vector<Finding> all = findings_;
  if (failure_.happened()) {
    all.push_back({.fatal = false, .message = failure_.status().message()});
    return all;
  }
  base::MutexLock lock(settling_mutex_);
  if (store_ != nullptr) return store_->findings();
  all.push_back({.fatal = false,
                 .message = fmt::format("nothing can be logged: {} Reads and denials are answered; everything else is "
                                        "refused until there is space. Free some space; Flint then continues without "
                                        "a restart.",
                                        no_room_.message())});
  return all;
}

/// One last attempt: if there is space by now, this becomes an ordinary clean close.
Status WaitingStore::close() {
  base::MutexLock lock(close_mutex_);
  if (closed_with_) return *closed_with_;
  looking_.stop();
  static_cast<void>(writer(When::kNow));
  closed_with_ = settled() != nullptr ? settled()->close() : close_unsettled();
  return *closed_with_;
}

/// The directory is left as it was found. That is a clean close only if every recovered record is proven durable and no
/// denial count waits to be logged; otherwise the caller is told that the disk was full.
Status WaitingStore::close_unsettled() {
  Status status;
  {
    base::MutexLock lock(mutex_);
    if (settled() == nullptr && refusal().ok()) status = state_.on_tick();
    if (settled() == nullptr) closed_ = true;
  }
  if (settled() != nullptr) return settled()->close();
  base::MutexLock lock(settling_mutex_);
  recovered_.lock.reset();
  if (failure_.happened()) return failure_.status();
  return status.ok() && proven_seq_ < last_seq_ ? no_room_ : status;
}

}  // namespace flint::storage
