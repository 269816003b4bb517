#include "base/display.h"

#include <gtest/gtest.h>

namespace flint::base {
namespace {

TEST(Printable, EscapesWhatATerminalWouldActOn) {
  EXPECT_EQ(printable("api:user-42 \xc3\xa9 \xe6\x97\xa5"), "api:user-42 \xc3\xa9 \xe6\x97\xa5");
  EXPECT_EQ(printable("\x1b[31mred\n\t\x7f"), "\\u001b[31mred\\u000a\\u0009\\u007f");
  EXPECT_EQ(printable("\xc2\x9b"), "\\u009b");
  // NOLINTNEXTLINE(misc-misleading-bidirectional): written as escapes, it misleads nobody
  EXPECT_EQ(printable("a\xe2\x80\xae"
                      "b\xe2\x80\xa8"),
            "a\\u202eb\\u2028");
  EXPECT_EQ(printable("a\xff\xc3"), "a\\xff\\xc3");
}

// Symptom: a table showed "admin" and "admin" with a zero-width character in it as the same key.
TEST(Printable, EscapesWhatCannotBeSeen) {
  EXPECT_EQ(printable("a\u00ad\u00a0\u034f\u115f\u180e\u2060\u206f\u2800\u3000\u3164\ufe0f\uffa0"),
            "a\\u00ad\\u00a0\\u034f\\u115f\\u180e\\u2060\\u206f\\u2800\\u3000\\u3164\\ufe0f\\uffa0");
  EXPECT_EQ(printable("\U000e0041\U0001fffe"), "\\U000e0041\\U0001fffe");
  EXPECT_EQ(printable("\u0301 \u05d0 \u0627 \U0001f600"), "\u0301 \u05d0 \u0627 \U0001f600");
}

TEST(QuoteGiven, AnErrorRepeatedFiveThousandBytesOfAnArgument) {
  EXPECT_EQ(quote_given("soon"), "\"soon\"");
  EXPECT_EQ(quote_given(std::string(64, 'x')), quote(std::string(64, 'x')));
  EXPECT_EQ(quote_given(std::string(5000, 'x')), quote(std::string(64, 'x')) + "... (5000 bytes)");
  const std::string cut_inside = std::string(63, 'x') + "\xc3\xa9";
  EXPECT_EQ(quote_given(cut_inside), quote(std::string(63, 'x')) + "... (65 bytes)");
  EXPECT_EQ(quote_given(std::string(100, '\xff')).size(), quote(std::string(64, '\xff')).size() + 15);
}

TEST(ShellWord, IsQuotedWhenItNeedsToBe) {
  EXPECT_EQ(shell_word("route:/v1/chat=1"), "route:/v1/chat=1");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("it's $5"), "'it'\\''s $5'");
}

TEST(BytesText, HasOneDecimalFromAKibibyteOn) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1'023), "1023 B");
  EXPECT_EQ(bytes_text(1'536), "1.5 KiB");
  EXPECT_EQ(bytes_text(std::uint64_t{32} << 20), "32.0 MiB");
  EXPECT_EQ(bytes_text(std::uint64_t{5} << 50), "5120.0 TiB");
}

}  // namespace
}  // namespace flint::base
