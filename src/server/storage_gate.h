#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <vector>

#include "base/mutex.h"

namespace flint::server {

/// Bounds how many requests wait on storage at once (`--max-blocking`). Whoever finds it full is called when there may
/// be room again. Threads: any.
class StorageGate {
 public:
  explicit StorageGate(std::size_t most) : free_(static_cast<std::ptrdiff_t>(most)) {}

  /// Takes a place, or returns false and calls `wake` once, from a thread that leaves, when it is worth trying again.
  /// `wake` must be quick. It may also be called although a place was taken.
  bool enter(const std::function<void()>& wake);
  void leave(std::size_t places);

 private:
  bool try_enter() noexcept;

  std::atomic<std::ptrdiff_t> free_;
  std::atomic<bool> has_waiters_ = false;
  base::Mutex mutex_;
  std::vector<std::function<void()>> waiters_ FLINT_GUARDED_BY(mutex_);
};

}  // namespace flint::server
