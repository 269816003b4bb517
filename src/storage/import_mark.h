#pragma once

#include "flint/status.h"
#include "io/file_system.h"

/// The mark of a directory into which the state of another program is being imported: a file that exists from before
/// the first entry is written until the last one is durable. A directory with that file does not open, because after
/// half of an import the other keys would have their full quota again.
namespace flint::storage {

/// The caller holds the directory's lock. After success, a crash leaves a directory that does not open.
Status begin_import(io::Directory& directory);
/// Called when everything imported is durable. After success, the directory opens, even after a crash.
Status end_import(io::Directory& directory);

/// Whether an import was begun and not completed.
[[nodiscard]] Result<bool> import_is_unfinished(const io::Directory& directory);

}  // namespace flint::storage
