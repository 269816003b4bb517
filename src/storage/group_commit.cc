#include "storage/group_commit.h"

#include <algorithm>

#include "base/assert.h"

namespace flint::storage {
namespace {

Status closed() { return {Code::kClosed, "the store was closed before this was known to be durable"}; }

}  // namespace

/// Group commit without a queue. A caller that finds no sync running leads the next one, on its own thread: a lone
/// caller pays no hand-over, which would show beside a sync of some 100 us. Callers that find one running cannot join
/// it, since their records may have come after it began, so they wait for its end; then one of them leads, for all
/// records of that moment. With many callers each sync therefore serves nearly all of them, and none waits for more
/// than two syncs.
///
/// The turn's mutex is not held during the sync. Nor is the owner's: checks append while the disk works, and that is
/// where the next group comes from.
Status GroupCommit::wait(Seq seq) {
  if (log_.durable_seq() >= seq) return {};
  FLINT_ASSERT(seq <= log_.last_seq());
  base::MutexLock lock(turn_mutex_);
  while (log_.durable_seq() < seq) {
    if (failure_.happened()) return failure_.status();
    if (stopped_) return closed();
    if (leading_) {
      turn_ended_.wait(turn_mutex_);
      continue;
    }
    leading_ = true;
    turn_mutex_.unlock();
    Status led = lead();
    turn_mutex_.lock();
    leading_ = false;
    turn_ended_.notify_all();
    if (!led.ok()) return led;
  }
  return {};
}

/// The target is read before the sync, in the critical section that also picks the segment. Everything up to it is in
/// that segment or in one that was synced when this one was started, so the sync covers it. Read after the sync it
/// would claim records that came while the disk worked. The segment is shared, because an append may replace it, and a
/// compaction remove its name, before the sync ends.
Status GroupCommit::lead() {
  std::shared_ptr<Segment> segment;
  Seq target = 0;
  {
    base::MutexLock lock(mutex_);
    segment = log_.current();
    target = log_.last_seq();
    log_.unsynced().sync_begins();
  }
  if (target <= log_.durable_seq()) return {};  // a new segment was started meanwhile, and the old one synced for it
  return log_.commit(*segment, target);
}

/// `done` never runs under waiting_mutex_: it may take locks of its own, or register again. The look at stopped_ and
/// the registration are one critical section, and stop() delivers under the same mutex after it has set stopped_. So no
/// caller is registered and then forgotten.
bool GroupCommit::when_durable(Seq seq, Done done) {
  FLINT_ASSERT(seq <= log_.last_seq());
  Status settled;
  {
    base::MutexLock lock(waiting_mutex_);
    if (log_.durable_seq() < seq) {
      settled = failure_.status();
      if (settled.ok() && stopped_) settled = closed();
      if (settled.ok()) {
        waiting_.emplace_back(seq, std::move(done));
        waiting_count_.store(waiting_.size(), std::memory_order_release);
        return true;
      }
    }
  }
  done(settled);
  return false;
}

/// One wait for the newest ticket covers all the others, and a caller that registers during it is served by the next
/// turn. If the wait fails, deliver() still gives success to those whose records an earlier commit made durable: an
/// answer must not turn into an error because a later record could not be written.
void GroupCommit::serve() {
  Seq wanted = 0;
  {
    base::MutexLock lock(waiting_mutex_);
    for (const auto& [seq, done] : waiting_) wanted = std::max(wanted, seq);
  }
  if (wanted == 0) return;
  deliver(wait(wanted));
}

/// A sync that runs is waited for and not abandoned: after this the lock of the directory is released, and a sync that
/// ended later would be one on files of another owner.
void GroupCommit::stop() {
  {
    base::MutexLock lock(turn_mutex_);
    stopped_ = true;
    while (leading_) turn_ended_.wait(turn_mutex_);
  }
  deliver(failure_.happened() ? failure_.status() : closed());
}

void GroupCommit::deliver(const Status& why) {
  std::vector<std::pair<Seq, Done>> settled;
  const Seq durable = log_.durable_seq();
  {
    base::MutexLock lock(waiting_mutex_);
    const auto still_waits = [&](const auto& caller) { return why.ok() && caller.first > durable; };
    const auto rest = std::stable_partition(waiting_.begin(), waiting_.end(), still_waits);
    settled.assign(std::make_move_iterator(rest), std::make_move_iterator(waiting_.end()));
    waiting_.erase(rest, waiting_.end());
    waiting_count_.store(waiting_.size(), std::memory_order_release);
  }
  for (auto& [seq, done] : settled) done(seq <= durable ? Status() : why);
}

}  // namespace flint::storage
