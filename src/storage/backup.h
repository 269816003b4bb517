#pragma once

#include <cstdint>

#include "flint/status.h"
#include "io/file_system.h"
#include "storage/owner.h"
#include "storage/record.h"

/// A copy of a store for safekeeping.
namespace flint::storage {

struct BackupResult {
  /// The copy has all records up to this one.
  Seq last_seq = 0;
  std::uint64_t bytes = 0;
};

/// Copies the store in `from` into `to`, an empty directory. Takes no lock and writes nothing in `from`, so another
/// process may write to it: the copy is the store as of a record that was written during the call. `state` is a
/// temporary owner, which afterwards has the state of the copy.
///
/// Once it returns Ok, the copy is on stable storage, and was read back as an open reads it. Until then, and after a
/// crash, a mark keeps the copy from being opened. After a failure `to` is empty again. Fails with kInvalidArgument if
/// it was not empty, with kNotFound, kCorruption or kUnsupportedFormat of what is in `from`, with kDiskFull, or with
/// the file system's error.
[[nodiscard]] Result<BackupResult> back_up(io::Directory& from, io::Directory& to, Owner& state);

}  // namespace flint::storage
