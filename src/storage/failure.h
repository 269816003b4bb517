#pragma once

#include <atomic>

#include "base/mutex.h"
#include "flint/status.h"

namespace flint::storage {

/// The failure that stopped the store: the first one stays until the directory is opened again. Threads: any.
class Failure {
 public:
  [[nodiscard]] bool happened() const noexcept { return happened_.load(std::memory_order_acquire); }

  /// Ok, or the first failure.
  [[nodiscard]] Status status() const {
    if (!happened()) return {};
    base::MutexLock lock(mutex_);
    return status_;
  }

  /// Remembers `status` if it is kStorageFailed, which stops the store, and the first one. Returns it.
  Status note(Status status) {
    if (status.code() != Code::kStorageFailed) return status;
    base::MutexLock lock(mutex_);
    if (status_.ok()) status_ = status;
    happened_.store(true, std::memory_order_release);
    return status;
  }

 private:
  std::atomic<bool> happened_ = false;
  mutable base::Mutex mutex_;
  Status status_ FLINT_GUARDED_BY(mutex_);
};

}  // namespace flint::storage
