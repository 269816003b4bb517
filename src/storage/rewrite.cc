#include "storage/rewrite.h"

#include <fmt/format.h>

#include "storage/errors.h"
#include "storage/log_reader.h"

namespace flint::storage {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

/// Writes records one after another to a new segment's file, under their old sequence numbers but with checksums for
/// their new place. All of them name the last proven record as durable_seq: until the new segment is synced, nothing in
/// it may claim more.
class RecordWriter {
 public:
  RecordWriter(io::File& file, const FileHeader& header) : file_(file), header_(header), buffer_(kBufferBytes) {}

  Status add(const Record& record) {
    const std::size_t bytes = record_bytes(record.payload.size());
    if (buffered_ + bytes > buffer_.size()) {
      if (Status written = flush(); !written.ok()) return written;
    }
    encode_record(buffer_.data() + buffered_, offset_ + buffered_, header_.file_id, record, header_.seq - 1);
    buffered_ += bytes;
    return {};
  }
  Status flush() {
    Status written = file_.write_at(offset_, std::span(buffer_).first(buffered_));
    if (!written.ok()) return after_failed_write(written);
    offset_ += buffered_;
    buffered_ = 0;
    return {};
  }
  /// After flush().
  [[nodiscard]] std::uint64_t end() const noexcept { return offset_; }

 private:
  io::File& file_;
  const FileHeader& header_;
  std::vector<std::byte> buffer_;
  std::size_t buffered_ = 0;
  std::uint64_t offset_ = file_header::kSize;
};

Status changed(const SegmentReader& reader, const io::Directory& directory) {
  return {Code::kStorageFailed,
          fmt::format("{}/{} was read twice, and the second time something else was there at offset {}: the disk does "
                      "not hold what the system showed of it. Nothing was changed. Open the directory again.",
                      directory.path(), reader.name(), reader.offset())};
}

}  // namespace

/// The digest chains every record's kind, number and payload, but not its offset: it compares what was replayed with
/// what is written again, in another segment. Keeping the records themselves would need memory for the whole unproven
/// log.
void Unproven::add(const ParsedRecord& parsed, std::size_t in_segment, std::uint64_t at_offset) noexcept {
  if (bytes == 0) {
    segment = in_segment;
    offset = at_offset;
  }
  bytes += parsed.bytes;
  const Record& record = parsed.record;
  digest = checksum(record.payload, checksum_seed(digest ^ record.kind, record.seq));
}

/// After a failed write-back the kernel may show pages that the disk does not hold, and drop them at any time. So what
/// replay read and what this reads may differ, and the state in memory is only good for the first. The digest catches
/// that: the open fails, and the next one sees what is left. Copying bytes would not do either, because a record's
/// checksum is tied to its segment and offset.
Result<std::uint64_t> write_again(io::Directory& directory, const std::vector<SegmentInfo>& segments,
                                  const Unproven& unproven, Seq last_seq, io::File& file, const FileHeader& header) {
  RecordWriter writer(file, header);
  Unproven now;
  Seq due = header.seq;
  for (std::size_t i = unproven.segment; due <= last_seq; ++i) {
    Result<SegmentReader> reader = SegmentReader::open(directory, segments[i].number);
    if (!reader.ok()) return reader.status();
    if (i == unproven.segment) reader->resume(unproven.offset, due);
    const Seq behind = i + 1 < segments.size() ? segments[i + 1].first_seq : last_seq + 1;
    while (due < behind) {
      const std::uint64_t offset = reader->offset();
      const Result<std::optional<ParsedRecord>> parsed = reader->next();
      if (!parsed.ok() && parsed.code() != Code::kCorruption) return parsed.status();
      if (!parsed.ok() || !*parsed) return changed(*reader, directory);
      now.add(**parsed, i, offset);
      if (Status added = writer.add((*parsed)->record); !added.ok()) return added;
      ++due;
    }
    if (due > last_seq && now.digest != unproven.digest) return changed(*reader, directory);
  }
  if (Status written = writer.flush(); !written.ok()) return written;
  return writer.end();
}

}  // namespace flint::storage
