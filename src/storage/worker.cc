#include "storage/worker.h"

#include <system_error>

namespace flint::storage {

Worker::~Worker() { stop(); }

Status Worker::start(std::function<Nanos()> turn) {
  turn_ = std::move(turn);
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return {Code::kIoError,
            std::string("cannot start a thread: ") + error.what() + ". Raise the limit of threads (ulimit -u)."};
  }
  return {};
}

void Worker::stop() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Worker::wake() {
  if (woken_.load(std::memory_order_relaxed) || woken_.exchange(true)) return;
  // The worker looks at woken_ and falls asleep in one critical section: without this one, the notification could come
  // in between and be lost.
  { base::MutexLock lock(mutex_); }
  changed_.notify_one();
}

/// woken_ is cleared before the turn, so that a wake during it is not lost: it either was for work that this turn still
/// sees, or starts another turn at once.
void Worker::run() {
  while (true) {
    woken_.store(false);
    const Nanos pause = turn_();
    base::MutexLock lock(mutex_);
    if (!stopping_ && !woken_.load() && pause > Nanos::zero()) changed_.wait_for(mutex_, pause);
    if (stopping_) return;
  }
}

}  // namespace flint::storage
