#include "cli/text.h"

#include <gtest/gtest.h>

namespace flint::cli {
namespace {

TEST(DisplayWidth, CountsColumnsNotBytes) {
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("\xc3\xa9"), 1U);
  EXPECT_EQ(display_width("e\xcc\x81"), 1U);
  EXPECT_EQ(display_width("\xe6\x97\xa5\xe6\x9c\xac"), 4U);
}

TEST(WaitText, IsNeverTooSoon) {
  EXPECT_EQ(wait_text(0), "0 ms");
  EXPECT_EQ(wait_text(999), "999 ms");
  EXPECT_EQ(wait_text(1'000), "1.0 s");
  EXPECT_EQ(wait_text(1'801), "1.9 s");
  EXPECT_EQ(wait_text(59'900), "59.9 s");
  EXPECT_EQ(wait_text(59'901), "1 m");
  EXPECT_EQ(wait_text(303'000), "5 m 3 s");
  EXPECT_EQ(wait_text(3'600'000), "1 h");
  EXPECT_EQ(wait_text(3'599'001), "1 h");
  EXPECT_EQ(wait_text(7'800'000), "2 h 10 m");
  EXPECT_EQ(wait_text(86'400'000 * 3 + 1), "3 d 1 h");
  EXPECT_EQ(wait_text(UINT64_MAX), "213503982334 d 15 h");
}

TEST(Table, AlignsByColumnsAndLeavesNothingBehindTheLast) {
  Table table({{"KEY"}, {"LEFT", Table::Align::kRight}, {"NOTE"}});
  table.add({"\xe6\x97\xa5\xe6\x9c\xac", "7", "x"});
  table.add({"a", "12345", "yy"});
  EXPECT_EQ(table.text(Style(false)),
            "KEY    LEFT  NOTE\n"
            "\xe6\x97\xa5\xe6\x9c\xac      7  x\n"
            "a     12345  yy\n");
}

TEST(Style, PaintsOnlyWhenAsked) {
  EXPECT_EQ(Style(false).red("x"), "x");
  EXPECT_EQ(Style(true).red("x"), "\x1b[31mx\x1b[0m");
}

}  // namespace
}  // namespace flint::cli
