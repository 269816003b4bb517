#pragma once

#include <memory>

#include "storage/recovery.h"
#include "storage/store_front.h"
#include "storage/writable_store.h"

namespace flint::storage {

/// A directory that was read for writing, and whose log cannot be appended to yet.
struct Recovered {
  io::Directory& directory;
  Owner& state;
  base::Mutex& mutex;
  StoreOptions options;
  std::shared_ptr<StoreFront> front;
  std::unique_ptr<io::DirectoryLock> lock;
  Recovery recovery;
};

/// Writes into the lock file who this is. A full disk may have no room even for that.
[[nodiscard]] Status describe_holder(const Recovered& recovered);

/// Settles `recovered` and starts to write there. On a failure `recovered` is as it was, and so is the directory but
/// for temporary files; only when a thread cannot be started, the lock is released as well. The errors of settle().
[[nodiscard]] Result<std::unique_ptr<WritableStore>> start_writing(Recovered& recovered);

}  // namespace flint::storage
