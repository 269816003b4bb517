#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace flint::net {

/// A few threads for requests that may block. Threads: submit() from any.
class WorkerPool {
 public:
  explicit WorkerPool(std::size_t threads);
  /// stop().
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Jobs begin in the order in which they come. After stop() they are dropped.
  void submit(std::function<void()> job);

  /// Drops what has not begun, and returns when what has begun has ended.
  void stop();

 private:
  void run();

  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<std::function<void()>> jobs_ FLINT_GUARDED_BY(mutex_);
  bool stopping_ FLINT_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace flint::net
