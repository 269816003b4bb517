#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

/// Interleavings by force instead of by luck: a thread that runs something, of which one can wait until it is done or
/// stands still in a lock.
namespace flint::testing {

class Stepping {
 public:
  explicit Stepping(std::function<void()> body)
      : thread_([this, body = std::move(body)] {
          id_ = ::syscall(SYS_gettid);
          body();
          done_ = true;
        }) {}
  ~Stepping() { thread_.join(); }
  Stepping(const Stepping&) = delete;
  Stepping& operator=(const Stepping&) = delete;

  [[nodiscard]] bool done() const { return done_; }

  /// Returns when the thread sleeps, or `also` holds. What it sleeps in the kernel does not say: the test sees to it
  /// that it can only be the lock that is meant.
  void wait_until_blocked(const std::function<bool()>& also = [] { return false; }) const {
    while (!done_ && !also() && !sleeps()) std::this_thread::yield();
  }

 private:
  [[nodiscard]] bool sleeps() const {
    if (id_ == 0) return false;
    std::ifstream file("/proc/self/task/" + std::to_string(id_) + "/stat");
    std::string stat;
    std::getline(file, stat);
    const std::size_t end_of_name = stat.rfind(')');
    return end_of_name != std::string::npos && stat.compare(end_of_name, 3, ") S") == 0;
  }

  std::atomic<long> id_ = 0;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

}  // namespace flint::testing
