#pragma once

#include "io/file_system.h"

namespace flint::storage {

/// Copies the bytes from `begin` up to `end` of `from`, or to the end of that file when it comes first, to the begin of
/// `to`, a new file. Returns how many. Holes are not read, and zeros become holes: the copy takes the time and the room
/// that is really stored, however long the file is. What the file system says of a failure.
Result<std::uint64_t> copy_bytes(const io::File& from, std::uint64_t begin, std::uint64_t end, io::File& to);

}  // namespace flint::storage
