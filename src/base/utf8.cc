#include "base/utf8.h"

#include <cstdint>
#include <cstring>

namespace flint::base {
namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighBits = kOnes * 0x80;

struct CodePoint {
  char32_t value = 0;
  /// Bytes that it takes; 0 when what is there is not valid.
  std::size_t size = 0;
};

[[nodiscard]] std::uint8_t byte_at(std::string_view text, std::size_t at) noexcept {
  return static_cast<std::uint8_t>(text[at]);
}

/// The sequences of the Unicode standard's table 3-7, by their lead byte: the range of the second byte is what rules
/// out overlong forms, surrogates and values above U+10FFFF.
[[nodiscard]] CodePoint decode(std::string_view text, std::size_t at) noexcept {
  const std::uint8_t lead = byte_at(text, at);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xc2 || lead > 0xf4) return {};

  const std::size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (text.size() - at < size) return {};
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xbf;
  if (lead == 0xe0) low = 0xa0;
  if (lead == 0xed) high = 0x9f;
  if (lead == 0xf0) low = 0x90;
  if (lead == 0xf4) high = 0x8f;

  char32_t value = lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    const std::uint8_t byte = byte_at(text, at + i);
    if (byte < low || byte > high) return {};
    value = (value << 6) | (byte & 0x3fU);
    low = 0x80;
    high = 0xbf;
  }
  return {value, size};
}

[[nodiscard]] constexpr bool is_control(char32_t c) noexcept { return c < 0x20 || (c >= 0x7f && c <= 0x9f); }

[[nodiscard]] constexpr bool is_white_space(char32_t c) noexcept {
  return c == 0x20 || (c >= 0x09 && c <= 0x0d) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/// The offset of the first code point that is not valid or for which `stop` holds, or text.size().
template <typename Stop>
[[nodiscard]] std::size_t find_code_point(std::string_view text, Stop stop) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    const CodePoint point = decode(text, at);
    if (point.size == 0 || stop(point.value)) break;
    at += point.size;
  }
  return at;
}

}  // namespace

bool is_printable_ascii(std::string_view text) noexcept {
  const char* at = text.data();
  std::size_t left = text.size();
  for (; left >= sizeof(std::uint64_t); left -= sizeof(std::uint64_t), at += sizeof(std::uint64_t)) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof(word));
    // A high bit is set by a byte of 0x80 or more; else by one below 0x20, which borrows, or by 0x7f, which carries.
    if (((word | (word - kOnes * 0x20) | (word + kOnes)) & kHighBits) != 0) return false;
  }
  for (; left > 0; --left, ++at) {
    if (*at < 0x20 || *at > 0x7e) return false;
  }
  return true;
}

std::size_t find_invalid_utf8(std::string_view text) noexcept {
  return find_code_point(text, [](char32_t) { return false; });
}

bool is_valid_utf8(std::string_view text) noexcept {
  return is_printable_ascii(text) || find_invalid_utf8(text) == text.size();
}

std::size_t find_control_character(std::string_view text) noexcept {
  return is_printable_ascii(text) ? text.size() : find_code_point(text, is_control);
}

bool is_blank(std::string_view text) noexcept {
  if (!text.empty() && text.front() > ' ' && text.front() < '\x7f') return false;  // nearly always
  return find_code_point(text, [](char32_t c) { return !is_white_space(c); }) == text.size();
}

}  // namespace flint::base
