#include "storage/read_segments.h"

#include <fmt/format.h>

#include "storage/segment_reader.h"

namespace flint::storage {

Status read_segments(io::Directory& directory, const std::vector<SegmentInfo>& segments, Seq last_seq,
                     const LogVisitor& visitor) {
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const bool newest = i + 1 == segments.size();
    Result<SegmentReader> reader =
        SegmentReader::open(directory, segments[i].number, newest ? segments[i].bytes : UINT64_MAX);
    if (reader.code() == Code::kNotFound && visitor.is_dropped(segments[i].number)) {
      visitor.forget();
      continue;
    }
    if (!reader.ok()) return reader.status();
    const Seq behind = newest ? last_seq + 1 : segments[i + 1].first_seq;
    while (reader->expected() < behind) {
      const Result<std::optional<ParsedRecord>> parsed = reader->next();
      if (!parsed.ok()) return parsed.status();
      if (!*parsed) return reader->damaged(fmt::format("there is no valid record {} there", reader->expected()));
      const Record& record = (*parsed)->record;
      if (record.kind < kFirstStoreKind && !visitor.visit(record)) return {};
    }
  }
  return {};
}

}  // namespace flint::storage
