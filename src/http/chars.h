#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <type_traits>

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

/// `lower` is in lower case. Bytes that are equal, or differ in the bit of the case alone, are looked at first.
[[nodiscard]] constexpr bool equals_ignoring_case(std::string_view text, std::string_view lower) noexcept {
  if (text.size() != lower.size()) return false;
  std::size_t i = 0;
  if (!std::is_constant_evaluated()) {
    for (; lower.size() - i >= sizeof(std::uint64_t); i += sizeof(std::uint64_t)) {
      const std::uint64_t wanted = base::load_word(lower.data() + i);
      const std::uint64_t difference = base::load_word(text.data() + i) ^ wanted;
      if (difference == 0) continue;
      if ((difference & ~(base::kEachByte * 0x20)) != 0) return false;
      // A byte that is no letter has that bit for another reason.
      for (std::size_t at = i; at < i + sizeof(std::uint64_t); ++at) {
        if (to_lower(text[at]) != lower[at]) return false;
      }
    }
  }
  for (; i < text.size(); ++i) {
    if (to_lower(text[i]) != lower[i]) return false;
  }
  return true;
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
