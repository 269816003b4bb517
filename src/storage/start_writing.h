#pragma once

#include <memory>

#include "storage/recovery.h"
#include "storage/store_front.h"
#include "storage/writable_store.h"

namespace flint::storage {

/// A directory that was recovered for writing, before its log can be appended to.
struct Recovered {
  io::Directory& directory;
  Owner& state;
  base::Mutex& mutex;
  StoreOptions options;
  std::shared_ptr<StoreFront> front;
  std::unique_ptr<io::DirectoryLock> lock;
  Recovery recovery;
};

/// Writes this process into the lock file as its holder. A full disk may not even have room for that.
[[nodiscard]] Status describe_holder(const Recovered& recovered);

/// Settles `recovered` and returns the store that writes to it. Fails like settle(). A failure leaves `recovered`
/// unchanged, and the directory too, except for temporary files; if a thread cannot be started, the lock is released.
[[nodiscard]] Result<std::unique_ptr<WritableStore>> start_writing(Recovered& recovered);

}  // namespace flint::storage
