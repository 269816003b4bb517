#include "storage/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "base/coding.h"

namespace flint::storage {

namespace at = file_header;

namespace {

/// A matching checksum rules out chance, but not a file made by hand. Numbers near the end of their range would
/// overflow counters that continue from them.
Status judge_numbers(const FileHeader& header, bool is_segment) {
  if (header.number == 0) return {Code::kCorruption, "no file has the number 0"};
  if (header.seq > kHighestSeq) {
    return {Code::kCorruption, fmt::format("no log reaches sequence number {}", header.seq)};
  }
  if (is_segment && header.seq == 0) return {Code::kCorruption, "its first record would have the number 0"};
  const bool has_possible_size =
      is_segment ? header.bytes >= at::kSize && header.bytes <= kMaxSegmentBytes : header.bytes == 0;
  if (has_possible_size) return {};
  return {Code::kCorruption, fmt::format("the header says that the file is written to up to {} bytes", header.bytes)};
}

}  // namespace

/// Random and not counted: the id seeds every checksum of the file, so that bytes of an earlier file, which the disk
/// may still hold in reused blocks, are not valid in this one.
std::uint64_t random_file_id() {
  std::random_device entropy;
  return (static_cast<std::uint64_t>(entropy()) << 32) | entropy();
}

std::array<std::byte, at::kSize> encode_header(std::string_view magic, const FileHeader& header) {
  std::array<std::byte, at::kSize> bytes{};
  std::memcpy(bytes.data() + at::kMagic, magic.data(), magic.size());
  base::store_fixed(bytes.data() + at::kVersion, header.version);
  base::store_fixed(bytes.data() + at::kFileId, header.file_id);
  base::store_fixed(bytes.data() + at::kNumber, header.number);
  base::store_fixed(bytes.data() + at::kSeq, header.seq);
  base::store_fixed(bytes.data() + at::kBytes, header.bytes);
  if (header.version != kFormatVersion1) base::store_fixed(bytes.data() + at::kPrevious, header.previous);
  base::store_fixed(bytes.data() + at::kChecksum, checksum(std::span(bytes).first(at::kChecksum), 0));
  return bytes;
}

Result<FileHeader> parse_header(std::span<const std::byte> bytes, std::string_view magic, std::uint64_t number) {
  if (bytes.size() < at::kSize) return Status(Code::kCorruption, "the file is shorter than its header");
  if (std::memcmp(bytes.data() + at::kMagic, magic.data(), magic.size()) != 0) {
    return Status(Code::kCorruption, fmt::format("the file does not begin with {}", magic));
  }
  const auto sum = base::load_fixed<std::uint64_t>(bytes.data() + at::kChecksum);
  if (sum != checksum(bytes.first(at::kChecksum), 0)) {
    return Status(Code::kCorruption, "the header does not match its checksum");
  }
  const auto version = base::load_fixed<std::uint32_t>(bytes.data() + at::kVersion);
  const auto flags = base::load_fixed<std::uint32_t>(bytes.data() + at::kFlags);
  const auto previous = base::load_fixed<std::uint64_t>(bytes.data() + at::kPrevious);
  const bool is_known = version == kFormatVersion || (version == kFormatVersion1 && previous == 0);
  if (!is_known || flags != 0) {
    return Status(
        Code::kUnsupportedFormat,
        fmt::format("format version {} with flags {:#x}; this Flint knows the versions up to {}, without flags",
                    version, flags, kFormatVersion));
  }
  FileHeader header{.file_id = base::load_fixed<std::uint64_t>(bytes.data() + at::kFileId),
                    .number = base::load_fixed<std::uint64_t>(bytes.data() + at::kNumber),
                    .seq = base::load_fixed<Seq>(bytes.data() + at::kSeq),
                    .bytes = base::load_fixed<std::uint64_t>(bytes.data() + at::kBytes),
                    .previous = previous,
                    .version = version};
  if (header.number != number) {
    return Status(Code::kCorruption, fmt::format("the header says number {}, the name {}", header.number, number));
  }
  // Magic, checksum and version were judged in this order: without a matching checksum the version means nothing, and
  // an unknown version must be reported as such before any of its fields is judged by today's rules.
  if (Status possible = judge_numbers(header, magic == kSegmentMagic); !possible.ok()) return possible;
  if (magic == kSegmentMagic && version == kFormatVersion1 && number > 0) header.previous = number - 1;
  if (header.previous != 0 && (magic != kSegmentMagic || header.previous >= number)) {
    return Status(Code::kCorruption, fmt::format("the header says that it follows file {}", header.previous));
  }
  return header;
}

namespace header = record_header;

/// Cheap tests first: recovery calls this at each offset of a torn tail, and most places fail before the checksum.
/// Every size is checked against the bytes that exist before it is used.
std::optional<ParsedRecord> parse_record(std::span<const std::byte> bytes, std::uint64_t offset,
                                         std::uint64_t segment_id) noexcept {
  if (bytes.size() < header::kSize) return std::nullopt;
  const std::byte* at = bytes.data();
  const std::size_t payload_bytes = base::load_fixed<std::uint16_t>(at + header::kPayload);
  const std::size_t used = header::kSize + payload_bytes;
  const std::size_t whole = record_bytes(payload_bytes);
  if (payload_bytes > kMaxPayloadBytes || whole > bytes.size()) return std::nullopt;

  ParsedRecord parsed{.record = {.kind = base::load_fixed<RecordKind>(at + header::kKind),
                                 .seq = base::load_fixed<Seq>(at + header::kSeq),
                                 .payload = bytes.subspan(header::kSize, payload_bytes)},
                      .durable_seq = 0,
                      .flags = base::load_fixed<std::uint8_t>(at + header::kFlags),
                      .bytes = whole};
  const Seq lag = base::load_fixed<std::uint32_t>(at + header::kLag);
  if (parsed.record.kind == 0 || lag == 0 || lag > parsed.record.seq) return std::nullopt;
  parsed.durable_seq = parsed.record.seq - lag;

  const std::uint64_t sum =
      checksum({at + header::kPayload, used - header::kPayload}, checksum_seed(segment_id, offset));
  if (base::load_fixed<std::uint32_t>(at + header::kChecksum) != static_cast<std::uint32_t>(sum)) return std::nullopt;
  const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
  if (!std::all_of(at + used, at + whole, is_zero)) return std::nullopt;
  return parsed;
}

bool could_be_record(std::span<const std::byte> bytes, Seq low, Seq high) noexcept {
  if (bytes.size() < header::kSize) return false;
  const auto seq = base::load_fixed<Seq>(bytes.data() + header::kSeq);
  return seq >= low && seq <= high;
}

}  // namespace flint::storage
