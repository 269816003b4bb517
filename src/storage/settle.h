#pragma once

#include <memory>

#include "storage/log_writer.h"
#include "storage/recovery.h"

/// Turns what recovery read into a log that can be appended to.
namespace flint::storage {

/// When it returns, everything that was recovered is on stable storage, and every later open recovers the same, even
/// after a crash at any of these steps. Records that nothing proves durable are written again into a new segment, which
/// replaces the segments that contain nothing else; an old tail is copied aside; the manifest is updated. After a clean
/// close nothing is written. `recovery.manifest`, `segments` and `leftovers` are updated.
///
/// A failure leaves `recovery` unchanged, and the files that were created are removed unless the disk itself failed.
/// kDiskFull: there is no room for the new segment; the recovered state can be read, and a later call may succeed.
Result<std::shared_ptr<Segment>> settle(io::Directory& directory, const SegmentSizes& sizes, Recovery& recovery);

/// Frees the room after the records of complete segments, which a killed process could not do. A failure only costs
/// room. Called after settle(), when the log durably continues in another segment.
void give_back_room(io::Directory& directory, const Recovery& recovery);

/// Removes the files that crashes left. What cannot be removed stays for the next open.
void remove_leftovers(io::Directory& directory, const Recovery& recovery);

}  // namespace flint::storage
