#include "storage/copy_bytes.h"

#include <algorithm>

namespace flint::storage {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

bool is_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

}  // namespace

Result<std::uint64_t> copy_bytes(const io::File& from, std::uint64_t begin, std::uint64_t end, io::File& to) {
  const Result<std::uint64_t> size = from.size();
  if (!size.ok()) return size;
  end = std::max(begin, std::min(end, *size));
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(kBufferBytes, end - begin)));
  std::uint64_t copied = 0;
  for (std::uint64_t at = begin; at < end;) {
    const Result<std::uint64_t> data = from.next_data(at);
    if (!data.ok()) return data;
    at = *data;
    if (at >= end) break;
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - at));
    const Result<std::size_t> got = from.read_at(at, std::span(buffer).first(wanted));
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    const std::span<const std::byte> bytes = std::span(buffer).first(*got);
    if (!is_zero(bytes)) {
      if (Status written = to.write_at(at - begin, bytes); !written.ok()) return written;
      copied = at - begin + *got;
    }
    at += *got;
  }
  if (copied < end - begin) {
    if (Status sized = to.truncate(end - begin); !sized.ok()) return sized;
  }
  return end - begin;
}

}  // namespace flint::storage
