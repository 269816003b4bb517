#include "store_files.h"

#include <fmt/format.h>

#include "base/coding.h"
#include "storage/files.h"
#include "storage/format.h"

namespace flint::fuzz {
namespace {

using namespace flint::storage;
using base::load_fixed;
using base::store_fixed;

std::uint64_t file_id(std::span<const std::byte> bytes) {
  return load_fixed<std::uint64_t>(bytes.data() + file_header::kFileId);
}

void mend_header(std::span<std::byte> bytes) {
  store_fixed(bytes.data() + file_header::kChecksum, checksum(bytes.first(file_header::kChecksum), 0));
}

void mend_segment(std::span<std::byte> bytes) {
  namespace at = record_header;
  if (bytes.size() < file_header::kSize) return;
  mend_header(bytes);
  std::size_t offset = file_header::kSize;
  while (offset + at::kSize <= bytes.size()) {
    std::byte* record = bytes.data() + offset;
    const std::size_t payload = load_fixed<std::uint16_t>(record + at::kPayload);
    const std::size_t whole = record_bytes(payload);
    const bool is_free = load_fixed<std::uint8_t>(record + at::kKind) == 0;
    if (is_free || offset + whole > bytes.size()) return;
    const std::span<const std::byte> covered(record + at::kPayload, at::kSize - at::kPayload + payload);
    const std::uint64_t sum = checksum(covered, checksum_seed(file_id(bytes), offset));
    store_fixed(record + at::kChecksum, static_cast<std::uint32_t>(sum));
    offset += whole;
  }
}

void mend_snapshot(std::span<std::byte> bytes) {
  if (bytes.size() < file_header::kSize + snapshot_footer::kSize) return;
  mend_header(bytes);
  const std::size_t footer = bytes.size() - snapshot_footer::kSize;
  store_fixed(bytes.data() + footer + snapshot_footer::kChecksum,
              block_checksum(bytes.subspan(footer + snapshot_footer::kEntries), 0, file_id(bytes), footer));
  std::size_t offset = file_header::kSize;
  while (offset + block_header::kSize <= footer) {
    std::byte* block = bytes.data() + offset;
    const std::size_t size = load_fixed<std::uint32_t>(block + block_header::kBytes);
    const std::size_t content = offset + block_header::kSize;
    if (size > footer - content) return;
    const auto entries = load_fixed<std::uint32_t>(block + block_header::kEntries);
    store_fixed(block + block_header::kChecksum,
                block_checksum(bytes.subspan(content, size), entries, file_id(bytes), offset));
    offset = content + size;
  }
}

void mend_manifest(std::string& text) {
  const std::size_t last_line = text.rfind("checksum ");
  if (last_line == std::string::npos) return;
  text.resize(last_line);
  text += fmt::format("checksum {:016x}\n", checksum(std::as_bytes(std::span(text)), 0));
}

}  // namespace

void mend_checksums(std::string_view name, std::string& content) {
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(content));
  switch (classify(name).kind) {
    case FileKind::kSegment:
      return mend_segment(bytes);
    case FileKind::kSnapshot:
      return mend_snapshot(bytes);
    case FileKind::kManifest:
      return mend_manifest(content);
    default:
      return;
  }
}

}  // namespace flint::fuzz
