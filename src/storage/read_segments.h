#pragma once

#include <functional>
#include <vector>

#include "storage/log.h"

namespace flint::storage {

struct LogVisitor {
  const std::function<bool(const Record&)>& visit;
  /// As Store::read_log.
  const std::function<void()>& forget;
  /// Whether a compaction dropped the segment with this number. It says so before it removes the file.
  const std::function<bool(std::uint64_t number)>& is_dropped;
};

/// Shows the owner's records of `segments` up to `last_seq`, oldest first, until `visit` returns false. The last
/// segment may be written to meanwhile: nothing behind its SegmentInfo::bytes is read. Below last_seq nothing may be
/// missing: kCorruption. Only segments that a compaction dropped meanwhile are left out.
Status read_segments(io::Directory& directory, const std::vector<SegmentInfo>& segments, Seq last_seq,
                     const LogVisitor& visitor);

}  // namespace flint::storage
