#include "http/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flint::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

api::Response ok(std::string body) {
  api::Response response;
  response.body = std::move(body);
  return response;
}

api::Response long_one(std::string first) {
  api::Response response = ok(std::move(first));
  response.more = [](const api::Response::TakePiece& take) { take(false, {}); };
  return response;
}

std::string written(const api::Response& response, const Asked& asked, const Surroundings& around = {}) {
  std::string out;
  append_answer(out, response, asked, around);
  return out;
}

TEST(Answer, ToAHeadHasTheFieldsAndNoBody) {
  const std::string to_get = written(ok("{}"), {});
  EXPECT_THAT(to_get, EndsWith("Content-Length: 2\r\n\r\n{}"));
  EXPECT_EQ(written(ok("{}"), {.is_head_method = true}) + "{}", to_get);
}

TEST(Answer, OfAGateIsAStatusAndFieldsAlone) {
  api::Response response;
  response.by_gate = true;
  response.fields = "RateLimit: x\r\n";
  for (const auto& [status, line] : {std::pair{204, "204 No Content"},
                                     {400, "400 Bad Request"},
                                     {429, "429 Too Many Requests"},
                                     {450, "450 Denied"},
                                     {503, "503 Service Unavailable"},
                                     {599, "599 Denied"}}) {
    response.status = status;
    const std::string text = written(response, {});
    EXPECT_THAT(text, ::testing::StartsWith("HTTP/1.1 " + std::string(line) + "\r\nX-Content-Type-Options:"));
    EXPECT_THAT(text, HasSubstr("\r\nRateLimit: x\r\n"));
    EXPECT_THAT(text, Not(HasSubstr("Retry-After"))) << "the gate says it if there is a time";
    EXPECT_EQ(text.find("Content-Length: 0\r\n") == std::string::npos, status == 204);
    EXPECT_THAT(text, EndsWith("\r\n\r\n"));
  }
}

TEST(Answer, SaysWhetherTheConnectionGoesOn) {
  EXPECT_THAT(written(ok(""), {}), Not(HasSubstr("Connection:")));
  EXPECT_THAT(written(ok(""), {.closes = true}), HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(written(ok(""), {.http_1_0 = true}), HasSubstr("\r\nConnection: keep-alive\r\n"));
  EXPECT_THAT(written(ok(""), {.http_1_0 = true, .closes = true}), Not(HasSubstr("keep-alive")));
}

TEST(Answer, ThatIsLongComesInChunks) {
  std::string out = written(long_one("one"), {});
  EXPECT_THAT(out, HasSubstr("\r\nTransfer-Encoding: chunked\r\n"));
  append_piece(out, "two", false, {});
  append_piece(out, "", false, {});
  append_piece(out, "three", true, {});
  EXPECT_THAT(out, EndsWith("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"));
}

TEST(Answer, ThatIsLongEndsWithTheConnectionForAnOldClient) {
  const Asked old{.is_head_method = false, .http_1_0 = true, .closes = true};
  std::string out = written(long_one("one"), old);
  append_piece(out, "two", true, old);
  EXPECT_THAT(out, EndsWith("\r\n\r\nonetwo"));
  EXPECT_THAT(out, Not(HasSubstr("Content-Length")));
  EXPECT_THAT(out, Not(HasSubstr("chunked")));
}

TEST(Answer, AsksForATokenOrForPatienceOnlyWhereThatHelps) {
  std::string out;
  append_answer(out, ok("{}"), {}, {}, true);
  EXPECT_THAT(out, HasSubstr("\r\nWWW-Authenticate: Bearer\r\n"));
  EXPECT_THAT(out, Not(HasSubstr("Retry-After")));
  api::Response busy = ok("{}");
  busy.status = 503;
  EXPECT_THAT(written(busy, {}), HasSubstr("\r\nRetry-After: 1\r\n"));
  EXPECT_THAT(written(ok("{}"), {}, {.date = "today", .keep_browsers_out = true}),
              ::testing::AllOf(HasSubstr("\r\nDate: today\r\n"), HasSubstr("\r\nX-Frame-Options: DENY\r\n")));
}

}  // namespace
}  // namespace flint::http
