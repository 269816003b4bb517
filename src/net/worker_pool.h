#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace boost::asio {
class thread_pool;
}

namespace flint::net {

/// A few threads for requests that may block.
class WorkerPool {
 public:
  explicit WorkerPool(std::size_t threads);
  /// stop().
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Jobs start in the order of these calls. Not after stop(). Threads: any.
  void submit(std::function<void()> job);

  /// Drops the jobs that have not started, and returns when the others have ended.
  void stop();

 private:
  std::unique_ptr<boost::asio::thread_pool> pool_;
};

}  // namespace flint::net
