#include "storage/writable_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "storage/log_reader.h"

namespace flint::storage {
namespace {

using std::chrono::steady_clock;

constexpr Nanos kIdlePause = std::chrono::milliseconds(100);
/// The longest that the committer sleeps, so that compaction becomes due in time whatever flush_every is.
constexpr Nanos kLongestPause = std::chrono::seconds(1);
/// How soon it is noticed that a file is gone which nobody writes to.
constexpr Nanos kBetweenLooks = std::chrono::seconds(1);
/// The compactor sleeps until it is woken.
constexpr Nanos kUntilWoken = std::chrono::hours(24);

Status first_failure(Status first, Status second) { return first.ok() ? std::move(second) : std::move(first); }

}  // namespace

WritableStore::WritableStore(io::Directory& directory, Owner& state, base::Mutex& mutex, const StoreOptions& options,
                             std::shared_ptr<StoreFront> front, std::unique_ptr<io::DirectoryLock> lock,
                             Recovery recovery, std::shared_ptr<Segment> segment)
    : directory_(directory),
      state_(state),
      options_(options),
      batch_(options.sync == SyncMode::kBatch),
      tick_every_(batch_ ? Nanos(std::min(options.flush_every, options.max_unsynced)) : kIdlePause),
      front_(std::move(front)),
      mutex_(mutex),
      lock_(std::move(lock)),
      log_(directory, *lock_, failure_, *front_, {options.first_segment_bytes, options.max_segment_bytes},
           {recovery.segments.begin(), recovery.segments.end() - 1}, std::move(segment), recovery.last_seq),
      commit_(mutex_, log_, failure_),
      manifest_(directory, recovery.manifest),
      compactor_({directory, state, mutex_, log_, commit_, manifest_, failure_}, recovery, options.compact_after_bytes),
      last_tick_seq_(recovery.last_seq),
      sealed_seq_(recovery.last_seq),
      opened_seq_(recovery.last_seq),
      proved_at_(steady_clock::now()),
      findings_(std::move(recovery.findings)),
      degraded_(recovery.degraded) {}

WritableStore::~WritableStore() {
  committer_.stop();
  compactor_.stop();
  compacting_.stop();
  proving_.stop();
  commit_.stop();
}

Status WritableStore::start_background() {
  has_background_ = true;
  next_tick_ = steady_clock::now() + tick_every_;
  if (Status started = committer_.start([this] { return committer_turn(); }); !started.ok()) return started;
  const Status started = proving_.start([this] {
    // As in committer_turn().
    if (proof_is_due() && !refuses()) static_cast<void>(prove());
    if (!refuses()) static_cast<void>(compactor_.check_files());
    return kBetweenLooks;
  });
  if (!started.ok()) return started;
  return compacting_.start([this] {
    if (compactor_.is_due() && !refuses()) static_cast<void>(compact());
    return kUntilWoken;
  });
}

Status WritableStore::refusal() const {
  return first_failure(failure_.status(), {Code::kClosed, fmt::format("the store in {} is closed", directory_.path())});
}

Result<Seq> WritableStore::append(RecordKind kind, std::span<const std::byte> payload) {
  if (refuses()) [[unlikely]]
    return refusal();
  Result<Seq> seq = log_.append(kind, payload);
  if (batch_ && seq.ok()) wake_when_batch_is_due(*seq);
  return seq;
}

void WritableStore::wake_when_batch_is_due(Seq appended) {
  if (!idle_ && appended - log_.durable_seq() < options_.flush_every_events) return;
  idle_ = false;
  committer_.wake();
}

Status WritableStore::wait(Seq seq) {
  Status durable = commit_.wait(seq);
  if (commit_.has_waiting()) serve_waiting();
  return durable;
}

void WritableStore::when_durable(Seq seq, std::function<void(const Status&)> done) {
  if (commit_.when_durable(seq, std::move(done)) && has_background_) committer_.wake();
}

void WritableStore::serve_waiting() {
  if (has_background_) {
    committer_.wake();
  } else {
    commit_.serve();
  }
}

WritableStore::Ticked WritableStore::tick_owner() {
  base::MutexLock lock(mutex_);
  if (refuses()) return {refusal(), log_.last_seq()};
  Status ticked = state_.on_tick();
  return {std::move(ticked), log_.last_seq()};
}

Status WritableStore::flush() {
  if (refuses()) return refusal();
  Ticked ticked = tick_owner();
  return first_failure(std::move(ticked.status), wait(ticked.last_seq));
}

Status WritableStore::compact() {
  if (refuses()) return refusal();
  Status done = compactor_.run();
  base::MutexLock lock(findings_mutex_);
  if (done.ok()) {
    degraded_ = false;
    compaction_finding_.reset();
  } else if (done.code() != Code::kClosed) {
    compaction_finding_ = Finding{
        .fatal = false,
        .message = "The last compaction failed, and the log goes on growing until one succeeds: " + done.message()};
  }
  return done;
}

Status WritableStore::read_log(const std::function<bool(const Record&)>& visit,
                               const std::function<void()>& forget) const {
  std::vector<SegmentInfo> segments;
  Seq last = 0;
  {
    base::MutexLock lock(mutex_);
    segments = log_.complete();
    segments.push_back(log_.current_info());
    last = log_.last_seq();
  }
  const auto dropped = [this](std::uint64_t number) {
    base::MutexLock lock(mutex_);
    const std::vector<SegmentInfo>& complete = log_.complete();
    return number < (complete.empty() ? log_.current()->header().number : complete.front().number);
  };
  return read_segments(directory_, segments, last, {visit, forget, dropped});
}

Status WritableStore::health() const { return refuses() ? refusal() : Status(); }

StoreStats WritableStore::stats() const {
  return {.last_seq = log_.last_seq(),
          .durable_seq = log_.durable_seq(),
          .log_bytes = compactor_.log_bytes(),
          .snapshot_bytes = compactor_.snapshot_bytes(),
          .snapshot_exists = compactor_.snapshot_bytes() > 0,
          .sync_nanos = log_.sync_nanos(),
          .sync_records = log_.sync_records(),
          .compactions = compactor_.count(),
          .failed = failure_.happened(),
          .degraded = degraded_};
}

std::vector<Finding> WritableStore::findings() const {
  base::MutexLock lock(findings_mutex_);
  std::vector<Finding> all = findings_;
  if (compaction_finding_) all.push_back(*compaction_finding_);
  if (failure_.happened()) all.push_back({.fatal = false, .message = failure_.status().message()});
  return all;
}

Status WritableStore::tick() {
  base::MutexLock lock(tick_mutex_);
  commit_.serve();
  if (refuses()) return refusal();
  const Ticked ticked = tick_owner();
  Status status = ticked.status;
  if (batch_) status = first_failure(std::move(status), commit_.wait(ticked.last_seq));
  status = first_failure(std::move(status), seal_if_quiet(ticked.last_seq));
  if (has_background_) {
    if (proof_is_due()) proving_.wake();
  } else {
    if (proof_is_due()) status = first_failure(std::move(status), prove());
    if (compactor_.is_due()) status = first_failure(std::move(status), compact());
    status = first_failure(std::move(status), compactor_.check_files());
  }
  base::MutexLock guard(mutex_);
  log_.hold_spare();
  idle_ = log_.durable_seq() == log_.last_seq();
  return status;
}

Status WritableStore::seal_if_quiet(Seq last_seq) {
  const bool quiet = last_seq == last_tick_seq_;
  last_tick_seq_ = last_seq;
  if (!quiet || last_seq == sealed_seq_) return {};
  if (Status durable = commit_.wait(last_seq); !durable.ok()) return durable;
  Seq seal = 0;
  {
    base::MutexLock lock(mutex_);
    if (refuses() || log_.last_seq() != last_seq) return {};
    const Result<Seq> appended = log_.append_own(StoreKind::kSeal);
    if (!appended.ok()) return appended.status();
    seal = *appended;
  }
  sealed_seq_ = seal;
  last_tick_seq_ = seal;
  return commit_.wait(seal);
}

bool WritableStore::proof_is_due() const {
  const Seq durable = log_.durable_seq();
  const Seq proven = manifest_.durable_seq();
  std::uint64_t current = 0;
  {
    base::MutexLock lock(mutex_);
    current = log_.current()->header().number;
  }
  if (current > manifest_.last_segment()) return true;
  if (durable <= proven) return false;
  return proven == opened_seq_ || durable == sealed_seq_ ||
         log_.appended_bytes() - proved_bytes_ >= options_.prove_after_bytes ||
         steady_clock::now() - proved_at_.load() >= options_.prove_after;
}

/// What is written was true when it was read, whatever fails meanwhile: durable_seq() advances only after a sync.
Status WritableStore::prove() {
  Seq durable = 0;
  std::uint64_t current = 0;
  {
    base::MutexLock lock(mutex_);
    durable = log_.durable_seq();
    current = log_.current()->header().number;
  }
  const std::uint64_t appended = log_.appended_bytes();
  if (Status held = log_.check_lock(); !held.ok()) return held;
  Status updated = failure_.note(manifest_.update([&](Manifest& manifest) {
    manifest.last_segment = std::max(manifest.last_segment, current);
    manifest.durable_seq = std::max(manifest.durable_seq, durable);
  }));
  if (!updated.ok()) return updated;
  proved_bytes_ = appended;
  proved_at_ = steady_clock::now();
  return {};
}

bool WritableStore::batch_is_full() {
  base::MutexLock lock(mutex_);
  if (!idle_) next_tick_ = std::min(next_tick_, steady_clock::now() + tick_every_);
  return log_.last_seq() - log_.durable_seq() >= options_.flush_every_events;
}

Nanos WritableStore::committer_turn() {
  commit_.serve();
  if (batch_ && batch_is_full()) static_cast<void>(commit_.wait(log_.last_seq()));
  if (steady_clock::now() >= next_tick_) {
    // What goes wrong is kept in failure_, or tried again by the next tick.
    static_cast<void>(tick());
    const bool idle = [this] {
      base::MutexLock lock(mutex_);
      return idle_;
    }();
    next_tick_ = steady_clock::now() + (idle ? std::max(tick_every_, kIdlePause) : tick_every_);
  }
  if (!refuses() && compactor_.is_due()) compacting_.wake();
  if (commit_.has_waiting()) return Nanos::zero();
  return std::min<Nanos>(next_tick_ - steady_clock::now(), kLongestPause);
}

Status WritableStore::close() {
  base::MutexLock lock(close_mutex_);
  if (closed_with_) return *closed_with_;
  committer_.stop();
  compactor_.stop();
  compacting_.stop();
  proving_.stop();
  Ticked ticked = tick_owner();
  {
    base::MutexLock guard(mutex_);
    closed_ = true;
    if (!failure_.happened()) log_.drop_spare();
  }
  closed_with_ = failure_.happened() ? failure_.status() : first_failure(std::move(ticked.status), close_log());
  commit_.stop();
  lock_.reset();
  return *closed_with_;
}

/// The manifest is written last: what it says to be durable is.
Status WritableStore::close_log() {
  Seq last = log_.last_seq();
  if (Status durable = commit_.wait(last); !durable.ok()) return durable;
  if (last == opened_seq_) return {};
  std::shared_ptr<Segment> segment;
  {
    base::MutexLock lock(mutex_);
    const Result<Seq> mark = log_.append_own(StoreKind::kCleanClose);
    if (!mark.ok()) return mark.status();
    last = *mark;
    segment = log_.current();
  }
  if (Status durable = commit_.wait(last); !durable.ok()) return durable;
  // Room that cannot be given back is only room.
  static_cast<void>(segment->seal_off());
  return failure_.note(manifest_.update([&](Manifest& manifest) {
    manifest.durable_seq = last;
    manifest.last_segment = segment->header().number;
  }));
}

}  // namespace flint::storage
