#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/unique_fd.h"
#include "net/asio.h"
#include "net/connection_table.h"
#include "net/stream.h"

namespace flint::net {

/// How other threads reach a loop, even one that is gone: what they post then is dropped. Threads: any.
class Mailbox {
 public:
  explicit Mailbox(IoContext& context) : context_(&context) {}

  template <typename Work>
  void post(Work work) {
    base::MutexLock lock(mutex_);
    if (context_ != nullptr) asio::post(*context_, std::move(work));
  }
  void close() {
    base::MutexLock lock(mutex_);
    context_ = nullptr;
  }

 private:
  base::Mutex mutex_;
  IoContext* context_ FLINT_GUARDED_BY(mutex_);
};

/// One I/O thread and the connections that live on it, which no other thread touches. It moves no bytes itself: the
/// streams do. The loop starts, times and ends them.
class Loop {
 public:
  /// Makes the connection that serves a socket. Called on the loop's thread.
  using Make = std::function<std::shared_ptr<Stream>(Socket socket)>;

  /// Reads the clock every `period` while there are connections, calls `clock_was_read`, and has every connection
  /// enforce its deadlines. `table` outlives the loop.
  Loop(ConnectionTable& table, std::chrono::milliseconds period, std::function<void()> clock_was_read);
  /// join().
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Threads: any.

  void start();
  /// Before drain(). Serves a connected, non-blocking socket, whose `visitor` the table has let in.
  void adopt(base::UniqueFd socket, std::shared_ptr<Visitor> visitor, Make make);
  /// From now on, connections end as soon as their client can tell that no answer is lost.
  void drain();
  /// Stops the connections that are left, and returns when the thread has ended.
  void join();
  /// Connections that are open or about to be.
  [[nodiscard]] std::size_t load() const { return load_.load(std::memory_order_relaxed); }
  [[nodiscard]] IoContext& context() { return context_; }
  /// For threads that may post when the loop is gone.
  [[nodiscard]] std::shared_ptr<Mailbox> mailbox() const { return mailbox_; }

  // On the loop's thread.

  /// A connection has closed.
  void remove(const std::shared_ptr<Stream>& stream, Visitor& visitor);
  /// A copy: what is done to a connection may remove it.
  [[nodiscard]] std::vector<std::shared_ptr<Stream>> streams() const { return {streams_.begin(), streams_.end()}; }
  /// The time of the last tick: behind by at most its period.
  [[nodiscard]] SteadyClock::time_point now() const { return now_; }
  [[nodiscard]] bool is_draining() const { return draining_; }

 private:
  void forget(Visitor& visitor);
  void keep_ticking();
  void schedule_tick();
  void read_clock();
  void tick();

  ConnectionTable& table_;
  const std::chrono::milliseconds period_;
  const std::function<void()> clock_was_read_;
  // One thread uses the sockets: they need no locks, but what other threads post does.
  IoContext context_{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
  std::unordered_set<std::shared_ptr<Stream>> streams_;
  std::atomic<std::size_t> load_ = 0;
  SteadyClock::time_point now_;
  bool draining_ = false;
  bool ticking_ = false;
  asio::executor_work_guard<IoContext::executor_type> work_;
  Timer timer_;
  const std::shared_ptr<Mailbox> mailbox_;
  std::thread thread_;
};

}  // namespace flint::net
