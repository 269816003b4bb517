#include "storage/log_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "storage/errors.h"
#include "storage/files.h"

namespace flint::storage {

/// One buffer that moves forward with its reader. A mapping would be simpler, but a file that another program cuts off,
/// or a sector that cannot be read, would then be SIGBUS in the reader and not a status.
Result<std::span<const std::byte>> FileWindow::at(std::uint64_t offset, std::size_t wanted) {
  if (offset >= end_) return std::span<const std::byte>();
  const auto available = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, end_ - offset));
  if (offset < begin_ || offset + available > begin_ + filled_) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(std::max(wanted, kBufferBytes), end_ - offset));
    if (buffer_.size() < size) buffer_.resize(size);
    filled_ = 0;
    const Result<std::size_t> got = file_.read_at(offset, std::span(buffer_).first(size));
    if (!got.ok()) return got.status();
    begin_ = offset;
    filled_ = *got;
  }
  return std::span<const std::byte>(buffer_).subspan(static_cast<std::size_t>(offset - begin_),
                                                     filled_ - static_cast<std::size_t>(offset - begin_));
}

Result<std::uint64_t> FileWindow::next_data(std::uint64_t offset) const {
  if (offset >= end_ || (offset >= begin_ && offset < begin_ + filled_)) return std::min(offset, end_);
  const Result<std::uint64_t> data = file_.next_data(offset);
  return data.ok() ? std::min(*data, end_) : data;
}

namespace {

/// The most bytes that may be checksummed in vain: a fixed number, and so many more for each byte examined. Torn
/// records do not overlap and stay far below. Bytes that are made to look like the heads of long records everywhere
/// would otherwise keep an open busy for half a second per megabyte.
constexpr std::uint64_t kMostWasted = std::uint64_t{16} << 20;
constexpr std::uint64_t kMostWastedAByte = 64;

bool is_known(const ParsedRecord& parsed) {
  const RecordKind kind = parsed.record.kind;
  return parsed.flags == 0 && (kind < kFirstStoreKind || kind == static_cast<RecordKind>(StoreKind::kSeal) ||
                               kind == static_cast<RecordKind>(StoreKind::kCleanClose));
}

std::size_t leading_zeros(std::span<const std::byte> bytes) {
  std::size_t count = 0;
  while (count + 8 <= bytes.size() && base::load_fixed<std::uint64_t>(bytes.data() + count) == 0) count += 8;
  while (count < bytes.size() && bytes[count] == std::byte{0}) ++count;
  return count;
}

}  // namespace

Result<HeadedFile> HeadedFile::open(io::Directory& directory, std::string name, std::string_view magic,
                                    std::uint64_t number) {
  Result<std::unique_ptr<io::File>> file = directory.open(name, io::OpenFile::kRead);
  if (!file.ok()) return file.status();
  const Result<std::uint64_t> size = (*file)->size();
  if (!size.ok()) return size.status();
  std::array<std::byte, file_header::kSize> bytes{};
  const Result<std::size_t> got = (*file)->read_at(0, bytes);
  if (!got.ok()) return got.status();
  const Result<FileHeader> header = parse_header(std::span(bytes).first(*got), magic, number);
  if (!header.ok()) return at_place({directory, name}, header.status());
  return HeadedFile{&directory, std::move(name), std::move(*file), *header, *size};
}

Result<SegmentReader> SegmentReader::open(io::Directory& directory, std::uint64_t number, std::uint64_t end) {
  Result<HeadedFile> file = HeadedFile::open(directory, segment_name(number), kSegmentMagic, number);
  if (!file.ok()) return file.status();
  end = std::min({end, file->bytes, file->header.bytes});
  return SegmentReader(*std::move(file), end);
}

SegmentReader::SegmentReader(HeadedFile file, std::uint64_t end)
    : file_(std::move(file)), window_(*file_.file, end), expected_(file_.header.seq) {}

/// Three outcomes that must not be mixed. No valid record is not an error here: only the caller knows whether the log
/// may end at this place. A valid record of an unknown kind was written by a newer Flint, so it is refused and never
/// skipped: skipping would forget what it granted. A valid record with the wrong number is damage without a doubt,
/// since its checksum ties it to this file and offset.
Result<std::optional<ParsedRecord>> SegmentReader::next() {
  Result<std::span<const std::byte>> bytes = window_.at(offset_, kMaxRecordBytes);
  if (!bytes.ok()) return bytes.status();
  std::optional<ParsedRecord> parsed = parse_record(*bytes, offset_, file_.header.file_id);
  if (!parsed) return parsed;
  if (!is_known(*parsed)) {
    return unsupported({*file_.directory, file_.name, offset_},
                       fmt::format("a record of kind {:#x} with flags {:#x}", parsed->record.kind, parsed->flags));
  }
  if (parsed->record.seq != expected_) {
    return damaged(
        fmt::format("the record there has sequence number {} where {} is due", parsed->record.seq, expected_));
  }
  offset_ += parsed->bytes;
  ++expected_;
  last_kind_ = parsed->record.kind;
  return parsed;
}

Result<std::uint64_t> SegmentReader::skip_zeros(std::uint64_t offset) {
  while (offset < window_.end()) {
    Result<std::uint64_t> data = window_.next_data(offset);
    if (!data.ok()) return data;
    offset = *data;
    Result<std::span<const std::byte>> bytes = window_.at(offset, 1);
    if (!bytes.ok()) return bytes.status();
    if (bytes->empty()) break;
    const std::size_t zeros = leading_zeros(*bytes);
    offset += zeros;
    if (zeros < bytes->size()) return offset / kRecordAlignment * kRecordAlignment;
  }
  return window_.end();
}

/// Looks for a record that proves the bad one durable. Its number must fit: it is at least that of the bad record, and
/// each record from there on takes at least kStoreRecordBytes. This keeps random bytes from counting, one in 2^32 of
/// which passes the checksum, and saves computing most checksums at all.
Result<std::optional<SegmentRest::Proof>> SegmentReader::proof_at(std::uint64_t offset, Search& search) {
  const Seq highest = expected_ + (offset - offset_) / kStoreRecordBytes;
  Result<std::span<const std::byte>> bytes = window_.at(offset, record_header::kSize);
  if (!bytes.ok()) return bytes.status();
  if (!could_be_record(*bytes, expected_, highest)) return std::optional<SegmentRest::Proof>();
  bytes = window_.at(offset, kMaxRecordBytes);
  if (!bytes.ok()) return bytes.status();
  const std::optional<ParsedRecord> parsed = parse_record(*bytes, offset, file_.header.file_id);
  if (parsed) {
    search.offset = offset + parsed->bytes;
  } else {
    search.wasted += base::load_fixed<std::uint16_t>(bytes->data() + record_header::kPayload);
  }
  if (!parsed || parsed->durable_seq < expected_) return std::optional<SegmentRest::Proof>();
  return std::optional<SegmentRest::Proof>({offset, parsed->record.seq, parsed->durable_seq});
}

/// Reads everything after the last good record, even after a proof was found: the end of the nonzero bytes is needed to
/// copy the tail, and to tell reserved space from a torn record. Holes are skipped, so that a sparse file of a terabyte
/// takes no longer than the data in it.
Result<SegmentRest> SegmentReader::examine_rest() {
  SegmentRest rest{.nonzero_end = offset_, .proof = std::nullopt};
  std::uint64_t offset = offset_;
  std::uint64_t looked_at = 0;
  Search search;
  while (true) {
    const Result<std::uint64_t> nonzero = skip_zeros(offset);
    if (!nonzero.ok()) return nonzero.status();
    if (*nonzero >= window_.end()) return rest;
    // A record's first bytes, its checksum, may be zeros that were skipped, but not all eight of them: its size, its
    // kind and its flags are among those.
    offset = std::max(*nonzero, offset_);
    rest.nonzero_end = std::min(offset + kRecordAlignment, window_.end());
    looked_at += kRecordAlignment;
    if (!rest.proof && offset >= search.offset) {
      Result<std::optional<SegmentRest::Proof>> proof = proof_at(offset, search);
      if (!proof.ok()) return proof.status();
      rest.proof = *proof;
      if (search.wasted > kMostWasted + kMostWastedAByte * looked_at) {
        return damaged("after that place there are more record headers than records could fit");
      }
    }
    offset += kRecordAlignment;
  }
}

/// Compactions do not wait for readers. If a segment is gone because a compaction superseded it, its records are no
/// longer part of what the log retains, so the reader forgets what it has shown and starts over from the oldest one
/// that is left. A segment that is gone for any other reason is an error.
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
