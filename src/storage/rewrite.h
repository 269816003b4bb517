#pragma once

#include <vector>

#include "storage/format.h"
#include "storage/log_writer.h"

/// Writes records again that may exist only in the page cache. After a failed write-back the kernel shows pages that
/// never reached the disk, and a later sync of the same file succeeds without writing them. Only new pages are proof.
namespace flint::storage {

/// The last records of the log, which recovery read, but which nothing proves to be on stable storage.
struct Unproven {
  /// The position of the first one: an index into Recovery::segments, and the offset in that file.
  std::size_t segment = 0;
  std::uint64_t offset = 0;
  /// The size of all of them; 0 if there are none.
  std::uint64_t bytes = 0;
  /// Detects whether a later read returns what recovery read: the kernel can drop a clean page at any time, and the
  /// disk may contain something else.
  std::uint64_t digest = 0;

  void add(const ParsedRecord& parsed, std::size_t in_segment, std::uint64_t at_offset) noexcept;
};

/// Writes them, up to `last_seq`, to `file`, which becomes the segment with this header. Returns the offset at which
/// they end. Fails with the file system's error, or with kIoError if they are not what recovery read.
Result<std::uint64_t> write_again(io::Directory& directory, const std::vector<SegmentInfo>& segments,
                                  const Unproven& unproven, Seq last_seq, io::File& file, const FileHeader& header);

}  // namespace flint::storage
