#include "net/storage_gate.h"

#include <utility>

namespace flint::net {

bool StorageGate::try_enter() noexcept {
  std::ptrdiff_t free = free_.load();
  while (free > 0) {
    if (free_.compare_exchange_weak(free, free - 1)) return true;
  }
  return false;
}

/// Entering and leaving touch one atomic number each as long as the gate is not full; the mutex is for those who wait.
/// No wake-up is lost between the two. A waiter sets has_waiters_ and then tries again; who leaves adds its places and
/// then looks at has_waiters_. Both orders are sequentially consistent, so that at least one of them sees the other.
bool StorageGate::enter(Waiter& waiter) {
  if (try_enter()) return true;
  {
    base::MutexLock lock(mutex_);
    if (!std::exchange(waiter.is_listed_, true)) waiters_.push_back(&waiter);
    has_waiters_ = true;
  }
  // Again: whoever left before has_waiters_ was set wakes nobody.
  return try_enter();
}

void StorageGate::leave(std::size_t places) {
  free_ += static_cast<std::ptrdiff_t>(places);
  if (!has_waiters_.load() || !has_waiters_.exchange(false)) return;
  std::vector<Waiter*> waiters;
  {
    base::MutexLock lock(mutex_);
    waiters = std::exchange(waiters_, {});
    for (Waiter* waiter : waiters) waiter->is_listed_ = false;
  }
  for (const Waiter* waiter : waiters) waiter->wake_();
}

}  // namespace flint::net
