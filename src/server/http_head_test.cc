#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/cuts.h"
#include "testing/test_server.h"

/// HEAD is answered as GET is, without the body, and no byte of a body ever follows the answer to one.
namespace flint::server {
namespace {

using testing::byte_by_byte;
using testing::Cut;
using ::testing::EndsWith;
using testing::get;
using testing::RawResponse;
using ::testing::StartsWith;
using testing::TestClient;
using testing::TestServer;
using testing::whole;

std::string head(std::string_view target, std::string_view fields = "") {
  return "HEAD" + get(target, fields).substr(3);
}

/// The fields of an answer, without those that change from one moment to the next.
std::map<std::string, std::string> steady_fields(RawResponse response) {
  response.fields.erase("date");
  return response.fields;
}

TestServer& filled(TestServer& server, int keys) {
  for (int i = 0; i < keys; ++i) {
    const Status set = server.limiter().limit("k" + std::to_string(i), {1, std::chrono::hours(1)});
    EXPECT_TRUE(set.ok()) << set.message();
  }
  return server;
}

// HEAD was 405 where GET is 200, and load balancers probe with HEAD.
TEST(Head, IsAnsweredAsGetWithoutTheBody) {
  TestServer server(TestServer::defaults(), SyncMode::kBatch);
  filled(server, 3);
  for (const char* target :
       {"/v1/health", "/v1/limits", "/v1/limits/k0", "/v1/limits/nobody", "/v1/history/k0", "/v1/top", "/v1/top?by=x",
        "/v1/openapi.json", "/v1/check", "/v1/log/flush", "/nothing", "/livez", "/readyz", "/v1/limits/a%"}) {
    SCOPED_TRACE(target);
    TestClient client = server.connect();
    client.send(get(target) + head(target) + get("/livez"));
    const std::optional<RawResponse> got = client.receive();
    const std::optional<RawResponse> headed = client.receive(true);
    ASSERT_TRUE(got && headed);
    EXPECT_EQ(headed->status, got->status);
    EXPECT_EQ(steady_fields(*headed), steady_fields(*got));
    EXPECT_NE(headed->field("content-length"), "0");
    EXPECT_EQ(client.receive()->body, "ok\n") << "the next answer does not begin where it should";
  }
}

TEST(Head, OfWhatChangesSaysWhatItsOwnGetWould) {
  TestServer server;
  for (const char* target : {"/metrics", "/v1/doctor"}) {
    TestClient client = server.connect();
    client.send(head(target) + get("/livez"));
    const std::optional<RawResponse> headed = client.receive(true);
    ASSERT_TRUE(headed);
    EXPECT_EQ(headed->status, 200);
    EXPECT_GT(std::stoi(headed->field("content-length")), 100);
    EXPECT_EQ(client.receive()->body, "ok\n");
  }
}

TEST(Head, OfALongListHasTheFieldsOfTheList) {
  TestServer server(TestServer::defaults(), SyncMode::kBatch);
  filled(server, 600);
  TestClient client = server.connect();
  client.send(head("/v1/limits") + get("/v1/limits") + head("/v1/limits?limit=2"));
  const std::optional<RawResponse> headed = client.receive(true);
  const std::optional<RawResponse> got = client.receive();
  ASSERT_TRUE(headed && got);
  EXPECT_EQ(headed->field("transfer-encoding"), "chunked");
  EXPECT_EQ(steady_fields(*headed), steady_fields(*got));
  EXPECT_NE(client.receive(true)->field("content-length"), "");

  TestClient old = server.connect();
  old.send("HEAD /v1/limits HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(old.receive_all(), EndsWith("\r\n\r\n"));
}

TEST(Head, AsksForTheTokenAsGetDoes) {
  TestServer server;
  TestClient client = server.connect_with_token();
  client.send(head("/v1/health") + head("/livez") + head("/v1/health", "Authorization: Bearer secret\r\n"));
  EXPECT_EQ(client.receive(true)->status, 401);
  EXPECT_EQ(client.receive(true)->status, 200);
  EXPECT_EQ(client.receive(true)->status, 200);
}

// The answer to a malformed HEAD had a body, which its client takes for the next answer.
TEST(Head, ThatIsMalformedIsAnsweredWithoutABody) {
  const std::string chunked = head("/v1/health", "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n");
  struct Row {
    std::string request;
    std::string status;
  };
  const Row rows[] = {
      {"HEAD  /v1/health HTTP/1.1\r\n\r\n", "400"},
      {"HEAD /v1/health\r\n", "400"},
      {"\r\nHEAD /v1/health HTTP/1.1\r\nHost : localhost\r\n\r\n", "400"},
      {"HEAD /v1/health HTTP/1.1\r\n\r\n", "400"},
      {"HEAD /v1/health HTTP/2.0\r\n\r\n", "505"},
      {"HEAD /v1/he\x01lth HTTP/1.1\r\n\r\n", "400"},
      {"HEAD /" + std::string(9000, 'x') + " HTTP/1.1\r\n\r\n", "414"},
      {head("/v1/health", "A: " + std::string(17 * 1024, 'x') + "\r\n"), "431"},
      {head("/v1/health", "Content-Length: 1\r\nContent-Length: 1\r\n"), "400"},
      {head("/v1/health", "Transfer-Encoding: gzip\r\n"), "501"},
      {head("/v1/health", "Content-Type: application/json\r\nContent-Length: 262145\r\n"), "413"},
      {chunked + "b;\r\n", "400"},
      {chunked + "40001\r\n", "413"},
  };
  TestServer server;
  for (const Row& row : rows) {
    for (const Cut& cut : {Cut(whole), Cut(byte_by_byte)}) {
      TestClient client = server.connect();
      client.set_no_delay();
      for (const std::string& piece : cut(row.request)) {
        if (!client.send(piece)) break;
      }
      const std::string answer = client.receive_all();
      EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + row.status)) << row.request.substr(0, 60);
      EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
      EXPECT_THAT(answer, ::testing::Not(::testing::HasSubstr("Content-Length: 0")));
    }
  }
}

TEST(Head, ThatComesTooLateIsAnsweredWithoutABody) {
  HttpSettings settings = TestServer::defaults();
  settings.deadlines.head = settings.deadlines.body = std::chrono::milliseconds(40);
  TestServer server(settings);
  const std::string in_body = head("/v1/health", "Content-Type: application/json\r\nContent-Length: 2\r\n");
  for (const std::string& request : {std::string("HEAD /v1/hea"), in_body}) {
    TestClient client = server.connect();
    client.send(request);
    const std::string answer = client.receive_all();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 408"));
    EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
  }
}

}  // namespace
}  // namespace flint::server
