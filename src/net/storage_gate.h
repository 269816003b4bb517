#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <vector>

#include "base/mutex.h"

namespace flint::net {

/// Bounds how many requests wait on storage at once (`--max-blocking`). Whoever finds it full is called when there may
/// be room again. Threads: any.
class StorageGate {
 public:
  /// Somebody who may find the gate full. Outlives every leave() of the gate.
  class Waiter {
   public:
    /// `wake` is called by whoever leaves, and must be quick.
    explicit Waiter(std::function<void()> wake) : wake_(std::move(wake)) {}

   private:
    friend class StorageGate;
    std::function<void()> wake_;
    /// Guarded by the gate's mutex.
    bool is_listed_ = false;
  };

  explicit StorageGate(std::size_t most) : free_(static_cast<std::ptrdiff_t>(most)) {}

  /// Takes a place, or returns false; then `waiter` is woken when it is worth trying again, once however often it
  /// tried. It may also be woken although a place was taken.
  bool enter(Waiter& waiter);
  void leave(std::size_t places);

 private:
  bool try_enter() noexcept;

  std::atomic<std::ptrdiff_t> free_;
  std::atomic<bool> has_waiters_ = false;
  base::Mutex mutex_;
  std::vector<Waiter*> waiters_ FLINT_GUARDED_BY(mutex_);
};

}  // namespace flint::net
