#include "http/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <deque>
#include <thread>

#include "testing/test_server.h"

namespace flint::http {
namespace {

using namespace std::chrono_literals;
using testing::get;
using ::testing::HasSubstr;
using testing::post;
using testing::RawResponse;
using testing::TestClient;
using testing::TestServer;

const std::string kEvents = get("/v1/events");

/// The next sample of a stream.
boost::json::object next_sample(TestClient& client) {
  static_cast<void>(client.receive_until("data: "));
  const std::string line = client.receive_until("\n\n").value_or("null");
  const boost::json::value sample = boost::json::parse(line);
  EXPECT_TRUE(sample.is_object()) << line;
  return sample.is_object() ? sample.as_object() : boost::json::object{};
}

void add_limit(TestServer& server, std::string_view key) {
  const Status added =
      server.limiter().limit(key, {2, std::chrono::hours(24), Algorithm::kFixedWindowCounter, std::nullopt});
  ASSERT_TRUE(added.ok()) << added.message();
}

int check(TestClient& client, std::string_view key) {
  client.send(post("/v1/check", "{\"key\":\"" + std::string(key) + "\"}"));
  return client.receive().value_or(RawResponse{}).status;
}

TEST(Events, ASampleASecondSaysWhatWasDecidedMeanwhile) {
  TestServer server;
  ASSERT_NO_FATAL_FAILURE(add_limit(server, "k"));
  ASSERT_NO_FATAL_FAILURE(add_limit(server, "ip:*"));
  TestClient stream = server.connect();
  stream.send(kEvents);
  const std::string head = stream.receive_until("\r\n\r\n").value_or("");
  EXPECT_THAT(head, HasSubstr("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nContent-Type: text/event-stream\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nCache-Control: no-store\r\n"));
  const boost::json::object first = next_sample(stream);
  EXPECT_EQ(first.at("allowed"), 0);
  EXPECT_TRUE(first.at("checks").at("p99_us").is_null());

  TestClient client = server.connect();
  for (int i = 0; i < 5; ++i) ASSERT_EQ(check(client, "k"), 200);
  ASSERT_EQ(check(client, "ip:1"), 200);
  boost::json::object sample;
  std::int64_t allowed = 0;
  // All may be in one sample, or in two.
  for (int i = 0; i < 10 && allowed < 3; ++i) {
    sample = next_sample(stream);
    allowed = sample.at("allowed").as_int64();
  }
  EXPECT_EQ(sample.at("allowed"), 3);
  EXPECT_EQ(sample.at("denied"), 3);
  EXPECT_EQ(sample.at("keys"), 3);
  EXPECT_EQ(sample.at("storage").at("accepts_changes"), true);
  EXPECT_GT(sample.at("memory_bytes").as_int64(), 1'000'000);
  const boost::json::array& rules = sample.at("rules").as_array();
  const auto pattern = std::find_if(rules.begin(), rules.end(),
                                    [](const boost::json::value& rule) { return rule.at("rule") == "ip:*"; });
  ASSERT_NE(pattern, rules.end());
  EXPECT_EQ(pattern->at("allowed"), 1);
  EXPECT_EQ(pattern->at("keys"), 1);
}

TEST(Events, RatesAreOfTheTimeSinceTheSampleBefore) {
  TestServer server(TestServer::defaults(), SyncMode::kBatch);
  ASSERT_NO_FATAL_FAILURE(add_limit(server, "k"));
  TestClient stream = server.connect();
  stream.send(kEvents);
  static_cast<void>(next_sample(stream));
  TestClient client = server.connect();
  std::int64_t before = 0;
  for (int i = 0; i < 3; ++i) {
    for (int n = 0; n < 50; ++n) ASSERT_EQ(check(client, "k"), 200);
    const boost::json::object sample = next_sample(stream);
    const std::int64_t denied = sample.at("denied").as_int64();
    const double seconds = static_cast<double>(sample.at("interval_ms").as_int64()) / 1000;
    EXPECT_NEAR(static_cast<double>(sample.at("denied_per_second").as_int64()) * seconds,
                static_cast<double>(denied - before), 1.0);
    before = denied;
  }
}

TEST(Events, OneMoreThanTheMostStreamsIsRefusedUntilOneGoes) {
  TestServer server;
  std::deque<TestClient> streams;
  for (std::size_t i = 0; i < Events::kMaxStreams; ++i) {
    streams.push_back(server.connect());
    streams.back().send(kEvents);
    ASSERT_THAT(streams.back().receive_until("\r\n\r\n").value_or(""), HasSubstr(" 200 "));
  }
  TestClient late = server.connect();
  late.send(kEvents);
  const RawResponse refused = late.receive().value_or(RawResponse{});
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.body, HasSubstr("\"too_many_streams\""));
  streams.pop_front();
  // The server notices that the client has gone within a second or two.
  int status = 503;
  for (int i = 0; i < 300 && status == 503; ++i) {
    std::this_thread::sleep_for(20ms);  // nothing tells a client that another one has gone
    TestClient next = server.connect();
    next.send(kEvents);
    status = next.receive_until("\r\n\r\n").value_or("").find(" 200 ") == std::string::npos ? 503 : 200;
  }
  EXPECT_EQ(status, 200);
}

TEST(Events, AStreamThatNobodyReadsHoldsUpNothing) {
  TestServer server;
  ASSERT_NO_FATAL_FAILURE(add_limit(server, "k"));
  TestClient silent = server.connect();
  silent.shrink_receive_buffer(1);
  silent.send(kEvents);
  TestClient stream = server.connect();
  stream.send(kEvents);
  TestClient client = server.connect();
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(next_sample(stream).empty());
    EXPECT_EQ(check(client, "k"), 200);
  }
}

// A server that was told to stop waited for its streams until the time to drain was over.
TEST(Events, StoppingEndsTheStreamsAtOnce) {
  TestServer server;
  TestClient stream = server.connect();
  stream.send(kEvents);
  ASSERT_TRUE(stream.receive_until("\r\n\r\n"));
  std::thread reader([&stream] { EXPECT_THAT(stream.receive_all(), ::testing::EndsWith("0\r\n\r\n")); });
  EXPECT_TRUE(server.http().stop(60s));
  reader.join();
}

TEST(Events, AreForEveryRoleThatMayReadAndForNobodyElse) {
  TestServer server;
  const auto status = [&](std::string_view token) {
    TestClient client = server.connect_with_token();
    client.send(get("/v1/events", token.empty() ? "" : "Authorization: Bearer " + std::string(token) + "\r\n"));
    return client.receive_until("\r\n\r\n").value_or("").substr(9, 3);
  };
  EXPECT_EQ(status("secret"), "200");
  EXPECT_EQ(status("checker"), "200");
  EXPECT_EQ(status("watcher"), "200");
  EXPECT_EQ(status("wrong"), "401");
  EXPECT_EQ(status(""), "401");
}

TEST(Events, TakeNoQueryNoBodyAndNoOtherMethod) {
  TestServer server;
  const auto status = [&](const std::string& request) {
    TestClient client = server.connect();
    client.send(request);
    return client.receive_until("\r\n\r\n").value_or("").substr(9, 3);
  };
  EXPECT_EQ(status(get("/v1/events?every=1")), "400");
  EXPECT_EQ(status(post("/v1/events", "{}")), "405");
  EXPECT_EQ(status("HEAD /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"), "200");
}

TEST(Events, AHttp10ClientReadsUntilTheEnd) {
  TestServer server;
  TestClient stream = server.connect();
  stream.send("GET /v1/events HTTP/1.0\r\nHost: localhost\r\n\r\n");
  EXPECT_FALSE(next_sample(stream).empty());
  server.http().stop(60s);
  EXPECT_TRUE(stream.receive_all().find("0\r\n\r\n") == std::string::npos);
}

}  // namespace
}  // namespace flint::http
