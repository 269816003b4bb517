#include "base/utf8.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace flint::base {
namespace {

/// Encodes any 21-bit value, surrogates included.
std::string encode(std::uint32_t c) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((c >> shift) & 0x3f)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xc0 | (c >> 6)), tail(0)};
  if (c < 0x10000) return {static_cast<char>(0xe0 | (c >> 12)), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | (c >> 18)), tail(12), tail(6), tail(0)};
}

TEST(Utf8Test, AcceptsEveryCodePointButSurrogatesAndNothingBeyond) {
  for (std::uint32_t c = 0; c < 0x200000; ++c) {
    const bool expected = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
    ASSERT_EQ(is_valid_utf8(encode(c)), expected) << c;
  }
}

TEST(Utf8Test, RefusesOverlongStrayAndTruncatedSequences) {
  for (const char* text : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xf0\x80\x80\x80",
                           "\xf0\x8f\xbf\xbf", "\xf5\x80\x80\x80", "\xff", "\xfe", "\xc3", "\xe2\x82", "\xf0\x9f\x94",
                           "\xc3\x28", "\xe2\x28\xa1", "\xf0\x28\x8c\xbc", "\xf8\x88\x80\x80\x80"}) {
    EXPECT_FALSE(is_valid_utf8(text));
    EXPECT_EQ(find_invalid_utf8(std::string("abc\u00fc") + text + "d"), 5U);
  }
}

TEST(Utf8Test, FindsControlCharactersOfAllThreeKinds) {
  for (std::uint32_t c = 1; c < 0x300; ++c) {
    const bool control = c < 0x20 || c == 0x7f || (c >= 0x80 && c < 0xa0);
    const std::string text = "key:" + encode(c);
    EXPECT_EQ(find_control_character(text), control ? 4U : text.size()) << c;
  }
}

TEST(Utf8Test, PrintableAsciiIsFoundAtEveryPlaceOfAWord) {
  for (std::size_t size = 1; size <= 24; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (int c = 0; c < 256; ++c) {
        for (const char around : {' ', '~'}) {
          std::string text(size, around);
          text[at] = static_cast<char>(c);
          ASSERT_EQ(is_printable_ascii(text), c >= 0x20 && c <= 0x7e) << size << ' ' << at << ' ' << c;
        }
      }
    }
  }
  EXPECT_TRUE(is_printable_ascii(""));
}

TEST(Utf8Test, BlankIsWhiteSpaceOnly) {
  for (const char* text : {"", " ", "   ", "\u00a0", "\u2003 \u3000"}) EXPECT_TRUE(is_blank(text));
  for (const char* text : {"a", " a", "\u200b", "\u00fc", "   ."}) EXPECT_FALSE(is_blank(text));
}

}  // namespace
}  // namespace flint::base
