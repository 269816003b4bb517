#include "storage/log_end.h"

#include <fmt/format.h>

namespace flint::storage {

Result<LastSegment> judge_log_end(SegmentReader& reader, const ProvenDurable& proven) {
  const Result<SegmentRest> rest = reader.examine_rest();
  if (!rest.ok()) return rest.status();
  const Seq lost = reader.expected();
  if (rest->proof) {
    return reader.damaged(
        fmt::format("there is no valid record {} there, and the record {} at offset {} was written "
                    "when everything up to {} was durable",
                    lost, rest->proof->seq, rest->proof->offset, rest->proof->durable_seq));
  }
  if (proven.seq >= lost) {
    return reader.damaged(
        fmt::format("there is no valid record {} there, and {} was written when everything up to {} "
                    "was durable",
                    lost, proven.file, proven.seq));
  }
  // A segment is shorter than its header says only where it was closed. Opened again it gets its whole length before
  // its next record, and no file system keeps what was stored behind an end that it forgot.
  const bool was_closed_here = reader.ends_clean() && rest->nonzero_end == reader.offset();
  if (reader.file_bytes() < reader.header().bytes && !was_closed_here) {
    return reader.damaged(fmt::format("the file has {} bytes of {}, and does not end with a clean close",
                                      reader.file_bytes(), reader.header().bytes));
  }
  return LastSegment{.header = reader.header(),
                     .used = reader.offset(),
                     .nonzero_end = rest->nonzero_end,
                     .bytes = reader.file_bytes(),
                     .ends_clean = reader.ends_clean()};
}

}  // namespace flint::storage
