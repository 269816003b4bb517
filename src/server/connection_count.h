#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "base/mutex.h"

namespace flint::server {

/// How many connections a server has. Threads: any.
class ConnectionCount {
 public:
  void add() {
    base::MutexLock lock(mutex_);
    ++count_;
  }
  void remove() {
    base::MutexLock lock(mutex_);
    if (--count_ == 0) none_.notify_all();
  }
  [[nodiscard]] std::size_t count() {
    base::MutexLock lock(mutex_);
    return count_;
  }
  /// Whether there was none before `timeout` had passed.
  bool wait_for_none(std::chrono::milliseconds timeout) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point deadline = Clock::now() + timeout;
    base::MutexLock lock(mutex_);
    while (count_ > 0) {
      const Clock::time_point now = Clock::now();
      if (now >= deadline) return false;
      none_.wait_for(mutex_, deadline - now);
    }
    return true;
  }

 private:
  base::Mutex mutex_;
  base::CondVar none_;
  std::size_t count_ FLINT_GUARDED_BY(mutex_) = 0;
};

}  // namespace flint::server
