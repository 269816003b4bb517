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

/// Every thread is stopped before any member goes, in the order in which they hand each other work: the committer wakes
/// the other two, and a compaction waits for a commit. A destructor alone leaves the log as a kill would, so nothing is
/// synced here: only close() may claim that the store ended in order.
WritableStore::~WritableStore() {
  committer_.stop();
  compactor_.stop();
  compacting_.stop();
  proving_.stop();
  commit_.stop();
}

/// Three threads and not one, because each blocks on something that the others must not wait for: the committer on the
/// log's sync, which answers wait for; the prover on the two syncs of a manifest, which no answer waits for; the
/// compactor for as long as a snapshot takes. None of them reports a failure to a caller. They need not: a failed write
/// or sync stops the store through failure_, and everything else is due again at the next turn.
Status WritableStore::start_background() {
  has_background_ = true;
  next_tick_ = steady_clock::now() + tick_every_;
  if (Status started = committer_.start([this] { return committer_turn(); }); !started.ok()) return started;
  const Status started = proving_.start([this] {
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

/// Called inside the owner's critical section, so this is a copy into memory and two loads: durability is asked for
/// outside, with the number that is returned. In batch mode perhaps no caller ever asks, so the append itself has to
/// notice that a flush is due.
Result<Seq> WritableStore::append(RecordKind kind, std::span<const std::byte> payload) {
  if (refuses()) [[unlikely]]
    return refusal();
  Result<Seq> seq = log_.append(kind, payload);
  if (batch_ && seq.ok()) wake_when_batch_is_due(*seq);
  return seq;
}

/// An idle committer sleeps for longer than `flush_every`, since it has nothing to make durable; the first append after
/// that must cut its sleep short, or this record would be durable too late. Later appends find idle_ cleared and do not
/// wake it until the batch is full: a wake costs a lock, and under load it would come with each check.
void WritableStore::wake_when_batch_is_due(Seq appended) {
  if (!idle_ && appended - log_.durable_seq() < options_.flush_every_events) return;
  idle_ = false;
  committer_.wake();
}

/// A caller that led or shared a commit may have made durable what callers of when_durable() wait for. They are served
/// by the committer and not here, because their callbacks may take a while; only without background threads does this
/// thread have to do it.
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

/// The last sequence number is read in the same critical section: what on_tick() appended is at or before it, so
/// waiting for it makes all of that durable. Read afterwards, it could be that of a concurrent check, and the caller
/// would wait for a record that it has nothing to do with.
WritableStore::Ticked WritableStore::tick_owner() {
  base::MutexLock lock(mutex_);
  if (refuses()) return {refusal(), log_.last_seq()};
  Status ticked = state_.on_tick();
  return {std::move(ticked), log_.last_seq()};
}

/// Denials that are counted but not logged are part of "everything so far", hence the owner's turn before the wait. If
/// it fails, the wait still happens: earlier records are to be durable either way, and the first failure is the one to
/// report.
Status WritableStore::flush() {
  if (refuses()) return refusal();
  Ticked ticked = tick_owner();
  return first_failure(std::move(ticked.status), wait(ticked.last_seq));
}

Status WritableStore::compact() {
  if (refuses()) return refusal();
  Status done = compactor_.run();
  base::MutexLock lock(findings_mutex_);
  // A new snapshot replaces a damaged one, so this also ends the degraded state that recovery may have found. A failure
  // is remembered, because most compactions start by themselves and return their result to no caller.
  if (done.ok()) {
    degraded_ = false;
    compaction_finding_.reset();
  } else if (done.code() != Code::kClosed) {
    compaction_finding_ =
        Finding{.fatal = false,
                .message = "The last compaction failed, and the log will grow until one succeeds: " + done.message()};
  }
  return done;
}

/// Reads up to the last record of this moment, without the mutex: a reader of a long history must delay neither checks
/// nor compactions. So a compaction may remove a segment that is still on the reader's list. The reader keeps the file
/// that it has open, and learns from `dropped` that a file which is gone was superseded, and not lost.
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

Stats WritableStore::stats() const {
  Stats stats;
  stats.log_bytes = compactor_.log_bytes();
  stats.snapshot_bytes = compactor_.snapshot_bytes();
  stats.last_seq = log_.last_seq();
  stats.durable_seq = log_.durable_seq();
  stats.sync_nanos = log_.sync_nanos();
  stats.sync_records = log_.sync_records();
  stats.compactions = compactor_.count();
  stats.failed = failure_.happened();
  stats.degraded = degraded_;
  return stats;
}

std::vector<Finding> WritableStore::findings() const {
  base::MutexLock lock(findings_mutex_);
  std::vector<Finding> all = findings_;
  if (compaction_finding_) all.push_back(*compaction_finding_);
  if (failure_.happened()) all.push_back({.fatal = false, .message = failure_.status().message()});
  return all;
}

/// The regular turn of the background, in the order that each step relies on:
///
/// 1. Callers that wait for a commit come first: everything below may sync, and their answers should not wait twice.
/// 2. The owner appends the denials that it counted: the only records that a tick adds besides a seal.
/// 3. In batch, one flush covers those records and all before them. In always, each grant was synced for its caller,
///    and the counts may wait for the seal: losing some of them costs no quota.
/// 4. A log that was quiet since the last tick is sealed, after the flush: a seal proves only records that were durable
///    when it was written.
/// 5. Proof and compaction, each only if due. With background threads they are only woken: a tick runs on the
///    committer, and a manifest or a snapshot there would delay the next commit.
///
/// A step that fails does not skip the following ones: an append that finds the disk full must not keep a due
/// compaction from freeing space. Each step decides for itself whether the store still accepts changes.
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
  // Tried again here in case the process had no free descriptor when the last segment was started.
  log_.hold_spare();
  idle_ = log_.durable_seq() == log_.last_seq();
  return status;
}

/// A record proves its predecessors durable by the lag that it carries, so the last records before a pause have no
/// proof until something follows them. The seal is that something: with it, damage to those records is recognised as
/// damage and not taken for an append that a crash cut short. One quiet tick must pass first, so that a busy log is not
/// interleaved with seals. The number of the seal itself goes into last_tick_seq_: a seal does not make the log busy,
/// and is not sealed in turn.
Status WritableStore::seal_if_quiet(Seq last_seq) {
  const bool quiet = last_seq == last_tick_seq_;
  last_tick_seq_ = last_seq;
  if (!quiet || last_seq == sealed_seq_) return {};
  if (Status durable = commit_.wait(last_seq); !durable.ok()) return durable;
  Seq seal = 0;
  {
    base::MutexLock lock(mutex_);
    // A check came between the sync and this lock. The log is not quiet after all, and the next tick tries again.
    if (refuses() || log_.last_seq() != last_seq) return {};
    const Result<Seq> appended = log_.append_own(StoreKind::kSeal);
    if (!appended.ok()) return appended.status();
    seal = *appended;
  }
  sealed_seq_ = seal;
  last_tick_seq_ = seal;
  return commit_.wait(seal);
}

/// The manifest is outside the log, so it still proves what was durable when the log itself has lost pages. Writing it
/// costs two syncs, so the choice of moments is a trade: the first commit of a store and of a segment, because without
/// it an open would write all of it again and could not tell damage there from a torn append; the end of a busy phase,
/// because no later record will prove it; and otherwise often enough that an open has at most a few megabytes to write
/// again.
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

/// Both numbers are read in one critical section, before the manifest is written. They stay true whatever fails in
/// between, because durable_seq() only advances after a sync; the maximum keeps a slow prover from taking back what a
/// compaction has written in the meantime. The lock is checked first: once the directory may have another owner, its
/// manifest is not ours to replace.
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

/// After an idle phase, next_tick_ is at the end of the long pause of an idle log. The record that ended the phase must
/// be flushed within tick_every_, so the next tick is moved forward.
bool WritableStore::batch_is_full() {
  base::MutexLock lock(mutex_);
  if (!idle_) next_tick_ = std::min(next_tick_, steady_clock::now() + tick_every_);
  return log_.last_seq() - log_.durable_seq() >= options_.flush_every_events;
}

/// Commits before ticks: a tick may take a sync of its own, and the waiting callers were there first. Returns how long
/// to sleep: not at all if more callers have registered during this turn.
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

/// The background stops first, so that from here on only callers' checks still append. The owner's turn then runs once
/// more, so that a clean close loses no denial count. Once closed_ is set, under the mutex, no append can come, and the
/// end of the log is known. The lock is released last: everything before it writes to files that another process may
/// own from then on.
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

/// Everything is made durable before the clean-close mark is appended, and again with the mark. One sync for both would
/// do for the data, but the mark is proof of the record before it only if that one was durable when the mark was
/// written. If nothing was appended, nothing is written either: the end of the log is already the one that settle()
/// made provable. The manifest is written last, so that what it calls durable is.
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
