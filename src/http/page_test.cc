#include "http/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/page_files.h"
#include "testing/test_server.h"

namespace flint::http {
namespace {

using testing::get;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::post;
using testing::RawResponse;
using testing::TestClient;
using testing::TestServer;

RawResponse ask(TestClient client, std::string_view request) {
  client.send(request);
  return client.receive().value_or(RawResponse{});
}

TEST(Page, IsThereWithAllThatItRefersTo) {
  TestServer server;
  const RawResponse page = ask(server.connect(), get("/"));
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.field("content-type"), "text/html; charset=utf-8");
  EXPECT_THAT(page.body, HasSubstr("<!doctype html>"));
  for (const PageFile& file : page_files()) {
    const RawResponse part = ask(server.connect(), get(file.path));
    EXPECT_EQ(part.status, 200) << file.path;
    EXPECT_EQ(part.field("content-type"), file.content_type);
    EXPECT_EQ(part.body, file.content);
  }
}

TEST(Page, LoadsNothingFromElsewhereAndRunsNoInlineScript) {
  TestServer server;
  for (const PageFile& file : page_files()) {
    const std::string policy = ask(server.connect(), get(file.path)).field("content-security-policy");
    EXPECT_THAT(policy, HasSubstr("default-src 'none'; script-src 'self'; style-src 'self';"));
    EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
    for (const std::string_view elsewhere : {"https://", "src=\"//", "@import", "innerHTML", "style=\""}) {
      EXPECT_THAT(std::string(file.content), Not(HasSubstr(elsewhere))) << file.path;
    }
  }
}

TEST(Page, IsSmall) {
  std::size_t bytes = 0;
  for (const PageFile& file : page_files()) bytes += file.content.size();
  EXPECT_LT(bytes, 100'000U);
}

TEST(Page, NeedsNoTokenAndTellsNothingThatDoes) {
  TestServer server;
  TestClient client = server.connect_with_token();
  client.send(get("/") + get("/assets/app.js") + get("/v1/health"));
  EXPECT_EQ(client.receive()->status, 200);
  EXPECT_EQ(client.receive()->status, 200);
  EXPECT_EQ(client.receive()->status, 401);
}

TEST(Page, OfAnotherSiteMayNotBeAskedBySomeoneElsesPage) {
  TestServer server;
  EXPECT_EQ(ask(server.connect(), get("/", "Sec-Fetch-Site: cross-site\r\n")).status, 403);
  EXPECT_EQ(ask(server.connect(), "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n").status, 421);
}

TEST(Page, TakesNoOtherMethodAndHasNoOtherParts) {
  TestServer server;
  EXPECT_EQ(ask(server.connect(), post("/", "{}")).status, 405);
  EXPECT_EQ(ask(server.connect(), get("/assets/")).status, 404);
  EXPECT_EQ(ask(server.connect(), get("/assets/../web/app.js")).status, 404);
  EXPECT_EQ(ask(server.connect(), get("/index.html")).status, 404);
  EXPECT_EQ(ask(server.connect(), get("/?a=b")).status, 400);
}

}  // namespace
}  // namespace flint::http
