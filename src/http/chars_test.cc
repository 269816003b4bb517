#include "http/chars.h"

#include <gtest/gtest.h>

#include <string>

namespace flint::http {
namespace {

/// Texts are looked at eight bytes at a time: what is allowed must not depend on where a byte stands.
TEST(Chars, OfFieldValuesAreJudgedAtEachPlace) {
  for (unsigned c = 0; c < 256; ++c) {
    const bool allowed = c == '\t' || (c >= 0x20 && c != 0x7f);
    for (std::size_t size = 1; size < 18; ++size) {
      for (std::size_t at = 0; at < size; ++at) {
        std::string text(size, '\x80');
        text[at] = static_cast<char>(c);
        ASSERT_EQ(is_field_value(text), allowed) << c << " at " << at << " of " << size;
      }
    }
  }
  EXPECT_TRUE(is_field_value(""));
}

TEST(Chars, AreEqualIgnoringTheCaseOfLettersAlone) {
  for (unsigned wanted = 0; wanted < 256; ++wanted) {
    if (wanted >= 'A' && wanted <= 'Z') continue;  // the second text is in lower case
    for (unsigned c = 0; c < 256; ++c) {
      const bool same = c == wanted || (c >= 'A' && c <= 'Z' && c + 0x20 == wanted);
      for (const std::size_t size : {std::size_t{1}, std::size_t{7}, std::size_t{8}, std::size_t{15}}) {
        std::string lower(size, 'x');
        std::string text(size, 'X');
        lower[size / 2] = static_cast<char>(wanted);
        text[size / 2] = static_cast<char>(c);
        ASSERT_EQ(equals_ignoring_case(text, lower), same) << c << " and " << wanted << " in " << size;
      }
    }
  }
  EXPECT_FALSE(equals_ignoring_case("close", "close "));
}

}  // namespace
}  // namespace flint::http
