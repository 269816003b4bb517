#pragma once

#include <algorithm>
#include <memory>

#include "storage/segment.h"

/// How large a new segment is on a disk that is almost full.
namespace flint::storage {

/// Where blocks are smaller, nothing is gained by less.
inline constexpr std::uint64_t kUsualBlockBytes = 4096;

/// Calls `create(header)`, and, as long as that does not fit on the disk, once more with half the size, down to what
/// holds `wanted` bytes of records.
template <typename Create>
Result<std::shared_ptr<Segment>> create_what_fits(FileHeader header, std::uint64_t wanted, Create create) {
  const std::uint64_t least = file_header::kSize + wanted + kSegmentReserve;
  header.bytes = std::max(header.bytes, least);
  const std::uint64_t floor =
      std::min(header.bytes, (least + kUsualBlockBytes - 1) / kUsualBlockBytes * kUsualBlockBytes);
  while (true) {
    Result<std::shared_ptr<Segment>> segment = create(header);
    if (segment.code() != Code::kDiskFull || header.bytes <= floor) return segment;
    header.bytes = std::max(header.bytes / 2, floor);
  }
}

}  // namespace flint::storage
