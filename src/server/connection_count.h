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
    --count_;
    fewer_.notify_all();
  }
  [[nodiscard]] std::size_t count() {
    base::MutexLock lock(mutex_);
    return count_;
  }
  /// Whether at most `most` were left before `timeout` had passed.
  bool wait_for(std::size_t most, std::chrono::milliseconds timeout) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point deadline = Clock::now() + timeout;
    base::MutexLock lock(mutex_);
    while (count_ > most) {
      const Clock::time_point now = Clock::now();
      if (now >= deadline) return false;
      fewer_.wait_for(mutex_, deadline - now);
    }
    return true;
  }

 private:
  base::Mutex mutex_;
  base::CondVar fewer_;
  std::size_t count_ FLINT_GUARDED_BY(mutex_) = 0;
};

}  // namespace flint::server
