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

  /// Jobs begin in the order in which they come. Before stop(). Threads: any.
  void submit(std::function<void()> job);

  /// Destroys what has not begun, and returns when what has begun has ended.
  void stop();

 private:
  std::unique_ptr<boost::asio::thread_pool> pool_;
};

}  // namespace flint::net
