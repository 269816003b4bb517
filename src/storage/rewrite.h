#pragma once

#include <vector>

#include "storage/format.h"
#include "storage/log_writer.h"

/// Writes records again that may be in the page cache alone. After a failed write-back the kernel shows pages that the
/// disk never had, and a later sync of the same file succeeds without writing them: only new pages are proof.
namespace flint::storage {

/// The records that recovery showed and that nothing proves to be on stable storage: the last ones of the log.
struct Unproven {
  /// Where the first one is: an index of Recovery::segments, and the place in that file.
  std::size_t segment = 0;
  std::uint64_t offset = 0;
  /// Of all of them; 0: there are none.
  std::uint64_t bytes = 0;
  /// Tells whether what is read later is what recovery showed: a clean page can go at any time, and the disk holds
  /// something else.
  std::uint64_t digest = 0;

  void add(const ParsedRecord& parsed, std::size_t in_segment, std::uint64_t at_offset) noexcept;
};

/// Writes them, up to `last_seq`, to `file`, which is to be the segment with this head. Returns where they end there.
/// kIoError, besides what the file system says, when they are not what they were.
Result<std::uint64_t> write_again(io::Directory& directory, const std::vector<SegmentInfo>& segments,
                                  const Unproven& unproven, Seq last_seq, io::File& file, const FileHeader& header);

}  // namespace flint::storage
