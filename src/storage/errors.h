#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "flint/status.h"
#include "io/file_system.h"

/// The messages of the store's failures, and what each failure means for the store.
namespace flint::storage {

/// A place in a file, for messages.
struct Place {
  const io::Directory& directory;
  std::string_view file;
  std::uint64_t offset = 0;
};

/// kCorruption that names file and offset, with advice. A report that gives its own advice uses only problem().
[[nodiscard]] Status corruption(const Place& place, std::string_view what);
/// kUnsupportedFormat that names file and offset.
[[nodiscard]] Status unsupported(const Place& place, std::string_view what);
/// `status`, its message preceded by the place.
[[nodiscard]] Status at_place(const Place& place, const Status& status);

/// kClosed: Options::stop_opening ended the open.
[[nodiscard]] Status opening_stopped(const io::Directory& directory);

/// The meaning of a failed write, sync, rename or directory sync. kDiskFull stays: nothing is lost, and the next
/// attempt may succeed. Anything else becomes kStorageFailed: the contents of the disk are unknown, and the store
/// stops.
[[nodiscard]] Status after_failed_write(const Status& status);
/// Like after_failed_write(), but kDiskFull is fatal too: earlier writes may have been lost.
[[nodiscard]] Status after_failed_sync(const Status& status);

/// The failure that stopped the store. The first one stays until the directory is opened again. Threads: any.
class Failure {
 public:
  [[nodiscard]] bool happened() const noexcept { return happened_.load(std::memory_order_acquire); }

  /// Ok, or the first failure.
  [[nodiscard]] Status status() const {
    if (!happened()) return {};
    base::MutexLock lock(mutex_);
    return status_;
  }

  /// Records the first kStorageFailed, which stops the store. Returns `status` unchanged.
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
