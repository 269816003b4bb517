#pragma once

// Inlined, so that hashing a record of some 40 bytes costs a few nanoseconds and not a call through a dispatcher.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace flint::storage {

[[nodiscard]] inline std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

/// Bytes that are hashed in one place mean nothing in another one: the seed is the random id of the file mixed with the
/// offset.
[[nodiscard]] constexpr std::uint64_t checksum_seed(std::uint64_t file_id, std::uint64_t offset) noexcept {
  return file_id ^ (offset * 0x9E3779B97F4A7C15U);
}

/// Of a snapshot's block, or of its footer (which has no entries): covers its size, its count and its place as well.
[[nodiscard]] inline std::uint64_t block_checksum(std::span<const std::byte> content, std::uint32_t entries,
                                                  std::uint64_t file_id, std::uint64_t offset) noexcept {
  const std::uint64_t shape = (static_cast<std::uint64_t>(entries) << 32) | content.size();
  return checksum(content, checksum_seed(file_id, offset) ^ (shape * 0xC2B2AE3D27D4EB4FU));
}

}  // namespace flint::storage
