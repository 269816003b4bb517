#include "server/storage_gate.h"

#include <utility>

namespace flint::server {

bool StorageGate::try_enter() noexcept {
  std::ptrdiff_t free = free_.load();
  while (free > 0) {
    if (free_.compare_exchange_weak(free, free - 1)) return true;
  }
  return false;
}

bool StorageGate::enter(const std::function<void()>& wake) {
  if (try_enter()) return true;
  {
    base::MutexLock lock(mutex_);
    waiters_.push_back(wake);
    has_waiters_ = true;
  }
  // Again: whoever left before has_waiters_ was set calls nobody.
  return try_enter();
}

void StorageGate::leave(std::size_t places) {
  free_ += static_cast<std::ptrdiff_t>(places);
  if (!has_waiters_.load() || !has_waiters_.exchange(false)) return;
  std::vector<std::function<void()>> waiters;
  {
    base::MutexLock lock(mutex_);
    waiters = std::exchange(waiters_, {});
  }
  for (const std::function<void()>& wake : waiters) wake();
}

}  // namespace flint::server
