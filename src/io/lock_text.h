#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "flint/status.h"

/// What the implementations say about locks, in the same words.
namespace flint::io {

/// Of a lock file, no more than this is read: it may be anything by then.
inline constexpr std::size_t kMaxHolderBytes = 1024;

/// A lock file's content as the holder's text: up to the first NUL, trailing line ends cut, and every other control
/// character but '\n' shown as '?', because it ends up on terminals. At most kMaxHolderBytes.
[[nodiscard]] std::string printable_holder(std::string_view content);

/// kDataDirLocked.
[[nodiscard]] Status held_elsewhere(std::string_view path);
/// kStorageFailed: the lock file at `path` is not the one that is held.
[[nodiscard]] Status lock_lost(std::string_view path);

}  // namespace flint::io
