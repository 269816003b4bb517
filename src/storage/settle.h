#pragma once

#include <memory>

#include "storage/log.h"
#include "storage/recovery.h"

/// Turns what recovery read into a log that can be appended to.
namespace flint::storage {

/// When it returns, everything that was recovered is on stable storage and stays what it is: also for the opens after a
/// crash at any of its steps. It makes the recovered end durable, copies an old tail aside, starts a new segment unless
/// the newest may be appended to, and brings the manifest up to date; after a clean close it writes nothing at all.
/// `recovery.manifest` and `recovery.segments` then say what is so. On failure, what was created is removed again,
/// unless the disk itself failed.
Result<std::shared_ptr<Segment>> settle(io::Directory& directory, const SegmentSizes& sizes, Recovery& recovery);

/// Gives back the room behind the records of complete segments: a process that was killed could not. What cannot be
/// given back is only room. After settle(): the log goes on in another segment, durably.
void give_back_room(io::Directory& directory, const Recovery& recovery);

/// Removes what crashes left behind. What cannot be removed stays for the next time.
void remove_leftovers(io::Directory& directory, const Recovery& recovery);

}  // namespace flint::storage
