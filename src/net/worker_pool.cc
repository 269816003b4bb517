#include "net/worker_pool.h"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <utility>

#include "net/asio.h"

namespace flint::net {

WorkerPool::WorkerPool(std::size_t threads) : pool_(std::make_unique<asio::thread_pool>(threads)) {}

WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::submit(std::function<void()> job) { asio::post(*pool_, std::move(job)); }

/// Asio keeps jobs that have not begun until the pool is destroyed. They hold connections, whose sockets end with their
/// loop, so that the pool must not outlive stop().
void WorkerPool::stop() {
  if (pool_ == nullptr) return;
  pool_->stop();
  pool_->join();
  pool_.reset();
}

}  // namespace flint::net
