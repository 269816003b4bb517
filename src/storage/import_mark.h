#pragma once

#include "flint/status.h"
#include "io/file_system.h"

/// A directory into which the state of another program is being imported. A file in it says so from before the first
/// entry is there until the last one is durable, and a directory with that file does not open: half of an import would
/// forgive the keys of the other half.
namespace flint::storage {

/// The caller holds the directory's lock. When it returns Ok, a crash leaves a directory that does not open.
Status begin_import(io::Directory& directory);
/// What was imported is durable. When it returns Ok, so is that the directory opens.
Status end_import(io::Directory& directory);

/// Whether an import was begun and not ended.
[[nodiscard]] Result<bool> import_is_unfinished(const io::Directory& directory);

}  // namespace flint::storage
