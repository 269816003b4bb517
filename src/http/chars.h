#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/byte_words.h"

/// The character classes of HTTP (RFC 9110, section 5.6), one look-up per byte.
namespace flint::http {

namespace http_chars {

inline constexpr std::uint8_t kToken = 1;
inline constexpr std::uint8_t kFieldValue = 2;
inline constexpr std::uint8_t kTarget = 4;

inline constexpr std::array<std::uint8_t, 256> kClasses = [] {
  std::array<std::uint8_t, 256> classes{};
  for (unsigned c = 0x21; c < 0x7f; ++c) classes[c] = kTarget | kFieldValue;
  for (unsigned c = 0x80; c < 0x100; ++c) classes[c] = kFieldValue;
  classes[' '] = classes['\t'] = kFieldValue;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789"
                                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
    classes[static_cast<unsigned char>(c)] |= kToken;
  }
  // A fragment is never sent to a server.
  classes['#'] &= static_cast<std::uint8_t>(~kTarget);
  return classes;
}();

[[nodiscard]] constexpr bool all_of(std::string_view text, std::uint8_t wanted) noexcept {
  std::uint8_t common = wanted;
  for (const char c : text) common &= kClasses[static_cast<unsigned char>(c)];
  return common == wanted;
}

}  // namespace http_chars

[[nodiscard]] constexpr bool is_token_char(char c) noexcept {
  return (http_chars::kClasses[static_cast<unsigned char>(c)] & http_chars::kToken) != 0;
}
[[nodiscard]] constexpr bool is_token(std::string_view text) noexcept {
  return !text.empty() && http_chars::all_of(text, http_chars::kToken);
}
/// Visible characters, spaces, tabs and bytes of 0x80 and more; or nothing. Tabs are rare: eight bytes without one are
/// looked at together.
[[nodiscard]] inline bool is_field_value(std::string_view text) noexcept {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  while (text.size() >= kWord) {
    const std::uint64_t word = base::load_word(text.data());
    const bool plain = (base::find_below(word, 0x20) | base::find_byte(word, 0x7f)) == 0;
    if (!plain && !http_chars::all_of(text.substr(0, kWord), http_chars::kFieldValue)) return false;
    text.remove_prefix(kWord);
  }
  return http_chars::all_of(text, http_chars::kFieldValue);
}
[[nodiscard]] constexpr bool is_target(std::string_view text) noexcept {
  return !text.empty() && http_chars::all_of(text, http_chars::kTarget);
}

[[nodiscard]] constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

namespace http_chars {

/// For each byte of `lower` that is a letter, the bit by which its capital differs.
[[nodiscard]] constexpr std::uint64_t case_bits(std::uint64_t lower) noexcept {
  const std::uint64_t seven_bits = lower & ~base::kEachHighBit;
  const std::uint64_t from_a = seven_bits + base::kEachByte * (0x80 - 'a');
  const std::uint64_t behind_z = seven_bits + base::kEachByte * (0x80 - 'z' - 1);
  return (from_a & ~behind_z & ~lower & base::kEachHighBit) >> 2;
}

}  // namespace http_chars

/// `lower` is in lower case. Eight bytes at a time, the last of which may have been looked at already: where `lower` is
/// a constant, a few instructions are left of it.
[[nodiscard]] inline bool equals_ignoring_case(std::string_view text, std::string_view lower) noexcept {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  const std::size_t size = lower.size();
  if (text.size() != size) return false;
  if (size < kWord) {
    for (std::size_t i = 0; i < size; ++i) {
      if (to_lower(text[i]) != lower[i]) return false;
    }
    return true;
  }
  const auto differs = [&](std::size_t at) {
    const std::uint64_t wanted = base::load_word(lower.data() + at);
    return ((base::load_word(text.data() + at) ^ wanted) & ~http_chars::case_bits(wanted)) != 0;
  };
  for (std::size_t at = 0; at + kWord < size; at += kWord) {
    if (differs(at)) return false;
  }
  return !differs(size - kWord);
}

/// `text` without spaces and tabs at both ends.
[[nodiscard]] constexpr std::string_view trimmed(std::string_view text) noexcept {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// Removes the first element of a comma-separated list and returns it, trimmed.
[[nodiscard]] constexpr std::string_view next_element(std::string_view& list) noexcept {
  const std::size_t comma = list.find(',');
  const std::string_view element = trimmed(list.substr(0, comma));
  list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  return element;
}

}  // namespace flint::http
