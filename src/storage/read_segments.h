#pragma once

#include <functional>
#include <vector>

#include "storage/log.h"

namespace flint::storage {

/// Shows the owner's records of `segments` up to `last_seq`, oldest first, until `visit` returns false. The last
/// segment may be written to meanwhile: nothing behind its SegmentInfo::bytes is read. Below last_seq nothing may be
/// missing: kCorruption.
Status read_segments(io::Directory& directory, const std::vector<SegmentInfo>& segments, Seq last_seq,
                     const std::function<bool(const Record&)>& visit);

}  // namespace flint::storage
