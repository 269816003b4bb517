#include "server/log.h"

#include <gtest/gtest.h>

namespace flint::server {
namespace {

TEST(Log, EscapesWhatCouldForgeALineOrSteerATerminal) {
  EXPECT_EQ(escaped_for_log("plain, é and 😀"), "plain, é and 😀");
  EXPECT_EQ(escaped_for_log("a\nb\r\x1b[2J\x7f"), "a\\x0ab\\x0d\\x1b[2J\\x7f");
  EXPECT_EQ(escaped_for_log("\xc2\x9b"), "\\xc2\\x9b");
  EXPECT_EQ(escaped_for_log("\xff and \xe2\x82"), "\\xff and \\xe2\\x82");
  EXPECT_EQ(escaped_for_log(std::string_view("\0", 1)), "\\x00");
}

}  // namespace
}  // namespace flint::server
