#include "base/display.h"

#include <array>
#include <cstdio>

#include "base/utf8.h"

namespace flint::base {
namespace {

/// Characters that a reader cannot see or takes for something else: control, format and default-ignorable characters,
/// every blank but the space, separators, noncharacters. A key is arbitrary text from users, and without this it could
/// move the cursor, recolour the terminal, or look like another key.
bool is_deceptive(char32_t value) {
  constexpr std::array<CodePointRange, 29> kRanges = {{
      {0x00, 0x1f},       {0x7f, 0xa0},       {0xad, 0xad},       {0x34f, 0x34f},     {0x600, 0x605},
      {0x61c, 0x61c},     {0x6dd, 0x6dd},     {0x70f, 0x70f},     {0x890, 0x891},     {0x8e2, 0x8e2},
      {0x115f, 0x1160},   {0x1680, 0x1680},   {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x2000, 0x200f},
      {0x2028, 0x202f},   {0x205f, 0x206f},   {0x2800, 0x2800},   {0x3000, 0x3000},   {0x3164, 0x3164},
      {0xfdd0, 0xfdef},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},
      {0x110bd, 0x110cd}, {0x13430, 0x1345f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
  }};
  // The ends of all planes, and plane 14 with its tags and variation selectors.
  return within(kRanges, value) || (value & 0xfffe) == 0xfffe || (value >> 16) == 0xe;
}

}  // namespace

CodePoint first_code_point(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  char32_t value = lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) value = (value << 6) | (byte(i) & 0x3fU);
  return {value, size};
}

std::string printable(std::string_view text) {
  std::string out;
  std::array<char, 16> escape{};
  while (!text.empty()) {
    std::string_view valid = text.substr(0, find_invalid_utf8(text));
    text.remove_prefix(valid.size());
    while (!valid.empty()) {
      const CodePoint point = first_code_point(valid);
      if (is_deceptive(point.value)) {
        const char* form = point.value > 0xffff ? "\\U%08x" : "\\u%04x";
        (void)std::snprintf(escape.data(), escape.size(), form, static_cast<unsigned>(point.value));
        out += escape.data();
      } else {
        out += valid.substr(0, point.size);
      }
      valid.remove_prefix(point.size);
    }
    if (text.empty()) break;
    (void)std::snprintf(escape.data(), escape.size(), "\\x%02x", static_cast<unsigned char>(text.front()));
    out += escape.data();
    text.remove_prefix(1);
  }
  return out;
}

std::string quote(std::string_view text) { return "\"" + printable(text) + "\""; }

std::string quote_given(std::string_view text) {
  constexpr std::size_t kLongest = 64;
  if (text.size() <= kLongest) return quote(text);
  std::size_t end = kLongest;
  const auto continues = [&] { return (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U; };
  while (end > 0 && continues()) --end;
  return quote(text.substr(0, end)) + "... (" + std::to_string(text.size()) + " bytes)";
}

std::string shell_word(std::string_view text) {
  const bool plain = !text.empty() && text.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789_-.,:/@%+=") == std::string_view::npos;
  if (plain) return std::string(text);
  std::string out = "'";
  for (const char c : printable(text)) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string one_decimal(std::uint64_t tenths) {
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 4> kNames = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  std::size_t name = 0;
  std::uint64_t unit = 1024;
  while (name + 1 < kNames.size() && bytes / 1024 >= unit) {
    unit *= 1024;
    ++name;
  }
  return one_decimal(bytes / unit * 10 + bytes % unit * 10 / unit) + " " + std::string(kNames[name]);
}

}  // namespace flint::base
