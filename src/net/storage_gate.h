#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <vector>

#include "base/mutex.h"

namespace flint::net {

/// Bounds how many requests wait on storage at once (`--max-blocking`). A waiter that finds it full is woken when there
/// may be room again. Threads: any.
class StorageGate {
 public:
  /// One that may find the gate full. It must outlive every leave() of the gate.
  class Waiter {
   public:
    /// `wake` is called inside leave(), and must be quick.
    explicit Waiter(std::function<void()> wake) : wake_(std::move(wake)) {}

   private:
    friend class StorageGate;
    std::function<void()> wake_;
    /// Guarded by the gate's mutex.
    bool is_listed_ = false;
  };

  explicit StorageGate(std::size_t most) : free_(static_cast<std::ptrdiff_t>(most)) {}

  /// Takes a place, or returns false; then `waiter` is woken once when it is worth trying again, however often it
  /// tried. It may also be woken although it got a place.
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
