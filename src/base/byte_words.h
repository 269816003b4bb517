#pragma once

#include <cstdint>
#include <cstring>

/// Eight bytes of a text at once, for loops that look for a byte which is rarely there.
namespace flint::base {

inline constexpr std::uint64_t kEachByte = 0x0101010101010101;
inline constexpr std::uint64_t kEachHighBit = 0x8080808080808080;

[[nodiscard]] inline std::uint64_t load_word(const char* at) noexcept {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

/// Not 0 if a byte of `word` is `byte`.
[[nodiscard]] constexpr std::uint64_t find_byte(std::uint64_t word, std::uint8_t byte) noexcept {
  const std::uint64_t difference = word ^ (kEachByte * byte);
  return (difference - kEachByte) & ~difference & kEachHighBit;
}

/// Not 0 if a byte of `word` is below `bound`, which is at most 128.
[[nodiscard]] constexpr std::uint64_t find_below(std::uint64_t word, std::uint8_t bound) noexcept {
  return (word - kEachByte * bound) & ~word & kEachHighBit;
}

}  // namespace flint::base
