#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "base/mutex.h"
#include "flint/status.h"
#include "flint/time.h"

namespace flint::storage {

/// A thread that takes a turn when it is woken, and when the pause that its last turn returned is over.
class Worker {
 public:
  Worker() = default;
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// `turn` returns how long the worker may sleep.
  Status start(std::function<Nanos()> turn);
  /// Returns when no turn is running and none will.
  void stop();
  /// Any thread. A turn begins after this call. Costs almost nothing if a turn is already due.
  void wake();

 private:
  void run();

  std::function<Nanos()> turn_;
  std::thread thread_;
  std::atomic<bool> woken_ = false;
  base::Mutex mutex_;
  base::CondVar changed_;
  bool stopping_ FLINT_GUARDED_BY(mutex_) = false;
};

}  // namespace flint::storage
