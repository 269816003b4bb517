#include "http/response_head.h"

#include <gtest/gtest.h>

namespace flint::http {
namespace {

TEST(ResponseHead, SaysDatesAsHttpDoes) {
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST(ResponseHead, EndsABodyInChunksOnlyWhenToldTo) {
  std::string out;
  append_chunk(out, std::string(26, 'x'));
  append_chunk(out, "");
  EXPECT_EQ(out, "1a\r\n" + std::string(26, 'x') + "\r\n");
  append_last_chunk(out);
  EXPECT_TRUE(out.ends_with("x\r\n0\r\n\r\n"));
}

}  // namespace
}  // namespace flint::http
