#include "storage/record_codec.h"

#include <algorithm>

namespace flint::storage {

namespace header = record_header;

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
