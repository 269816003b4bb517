#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "io/file_system.h"

/// Files that appear whole or not at all: written under a temporary name, synced, then renamed. Names are durable after
/// the directory's next sync.
namespace flint::storage {

/// Creates the temporary file for `name`; one that was left behind is replaced.
Result<std::unique_ptr<io::File>> create_temporary(io::Directory& directory, std::string_view name);

/// Creates the temporary file for `name` with `bytes`, and syncs it. On failure there is none; kStorageFailed when a
/// write or the sync failed for another reason than a full disk.
Status write_temporary(io::Directory& directory, std::string_view name, std::span<const std::byte> bytes);

/// Renames the temporary file to `name`, replacing what was there.
Status rename_temporary(io::Directory& directory, std::string_view name);

/// Removes the temporary file of `name`, if it is there. A failure leaves it for the next open to remove.
void remove_temporary(io::Directory& directory, std::string_view name);

}  // namespace flint::storage
