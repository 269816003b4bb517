#pragma once

#include <memory>

#include "storage/log_writer.h"
#include "storage/recovery.h"

/// Turns what recovery read into a log that can be appended to.
namespace flint::storage {

/// When it returns, everything that was recovered is on stable storage and stays what it is: also for the opens after a
/// crash at any of its steps. Records that nothing proves durable are written again into a new segment, which takes the
/// place of those that hold nothing else; an old tail is copied aside; the manifest is brought up to date. After a
/// clean close it writes nothing at all. `recovery.manifest`, `segments` and `leftovers` then say what is so.
///
/// On failure `recovery` is as it was, and what was created is removed again unless the disk itself failed. kDiskFull:
/// there is no room for the new segment; what recovery showed can be read, and a later call may succeed.
Result<std::shared_ptr<Segment>> settle(io::Directory& directory, const SegmentSizes& sizes, Recovery& recovery);

/// Gives back the room behind the records of complete segments: a process that was killed could not. What cannot be
/// given back is only room. After settle(): the log goes on in another segment, durably.
void give_back_room(io::Directory& directory, const Recovery& recovery);

/// Removes what crashes left behind. What cannot be removed stays for the next time.
void remove_leftovers(io::Directory& directory, const Recovery& recovery);

}  // namespace flint::storage
