#include "storage/group_commit.h"

#include <algorithm>

#include "base/assert.h"

namespace flint::storage {
namespace {

Status closed() { return {Code::kClosed, "the store was closed before this was known to be durable"}; }

}  // namespace

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

void GroupCommit::serve() {
  Seq wanted = 0;
  {
    base::MutexLock lock(waiting_mutex_);
    for (const auto& [seq, done] : waiting_) wanted = std::max(wanted, seq);
  }
  if (wanted == 0) return;
  deliver(wait(wanted));
}

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
