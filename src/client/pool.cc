#include "client/pool.h"

#include <unistd.h>

#include <chrono>
#include <utility>

namespace flint::client {

ConnectionPool::ConnectionPool(Connector connector, std::size_t max_idle)
    : connector_(std::move(connector)), max_idle_(max_idle), process_(::getpid()) {}

Result<Answer> ConnectionPool::call(const Request& request, bool repeatable) {
  const auto begin = std::chrono::steady_clock::now();
  Result<Taken> taken = take();
  if (!taken.ok()) return taken.status();
  if (*taken != nullptr) {
    Result<Answer> answer = (*taken)->call(request);
    if (answer.ok()) {
      give_back(std::move(*taken));
      return answer;
    }
    // Not after a timeout: the caller would wait twice as long as it said.
    const bool in_time = std::chrono::steady_clock::now() - begin < connector_.options().timeout;
    if (!in_time || answer.code() != Code::kUnavailable || !(repeatable || (*taken)->unreachable())) return answer;
  }
  Result<Taken> fresh = connector_.connect();
  if (!fresh.ok()) return fresh.status();
  Result<Answer> answer = (*fresh)->call(request);
  if (answer.ok()) give_back(std::move(*fresh));
  return answer;
}

void ConnectionPool::close() {
  std::vector<Taken> ended;
  const base::MutexLock lock(mutex_);
  closed_ = true;
  ended.swap(idle_);
}

Result<ConnectionPool::Taken> ConnectionPool::take() {
  const base::MutexLock lock(mutex_);
  if (closed_) return Status(Code::kClosed, "The limiter is closed.");
  if (process_ != ::getpid()) {
    process_ = ::getpid();
    idle_.clear();
  }
  if (idle_.empty()) return Taken();
  Taken taken = std::move(idle_.back());
  idle_.pop_back();
  return taken;
}

void ConnectionPool::give_back(Taken connection) {
  const base::MutexLock lock(mutex_);
  if (!closed_ && process_ == ::getpid() && idle_.size() < max_idle_) idle_.push_back(std::move(connection));
}

}  // namespace flint::client
