#pragma once

#include <atomic>

#include "storage/unsynced_age.h"

namespace flint::storage {

/// What callers of a store keep references to. A store that waits for room shares it with the store that replaces it.
struct StoreFront {
  StoreFront(std::uint64_t durable, Nanos max_unsynced) : durable_seq(durable), unsynced(durable_seq, max_unsynced) {}

  /// Everything up to here is on stable storage.
  std::atomic<std::uint64_t> durable_seq;
  /// Guarded by the owner's mutex.
  UnsyncedAge unsynced;
};

}  // namespace flint::storage
