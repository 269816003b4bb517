#include "http/monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

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

std::string scrape(const TestServer& server) { return ask(server.connect(), get("/metrics")).body; }

std::string check(std::string_view key) { return post("/v1/check", "{\"key\":\"" + std::string(key) + "\"}"); }

/// In both sync modes: in one an answer is held, in the other it is not.
class MetricsTest : public ::testing::TestWithParam<SyncMode> {
 protected:
  void add_limit(std::string_view key, Units rate) {
    const Status added =
        server_.limiter().limit(key, {rate, std::chrono::hours(24), Algorithm::kFixedWindowCounter, std::nullopt});
    ASSERT_TRUE(added.ok()) << added.message();
  }

  TestServer server_{TestServer::defaults(), GetParam()};
};

INSTANTIATE_TEST_SUITE_P(SyncModes, MetricsTest, ::testing::Values(SyncMode::kAlways, SyncMode::kBatch),
                         [](const auto& mode) { return mode.param == SyncMode::kAlways ? "always" : "batch"; });

TEST_P(MetricsTest, CountDecisionsAnswersAndKeys) {
  add_limit("k", 2);
  add_limit("l", 9);
  TestClient client = server_.connect();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send(check("k")));
    ASSERT_EQ(client.receive()->status, 200);
  }
  ASSERT_TRUE(client.send(post("/v1/check-all", R"({"items":["l"]})")));
  ASSERT_EQ(client.receive()->status, 200);
  for (const std::string& refused : {check("nobody"), post("/v1/check", "{}"), get("/nothing")}) {
    ASSERT_TRUE(client.send(refused));
    ASSERT_GE(client.receive()->status, 400);
  }
  const std::string metrics = scrape(server_);
  EXPECT_THAT(metrics, HasSubstr("\nflint_reservations 0\n"));
  EXPECT_THAT(metrics, HasSubstr("\nflint_decisions_total{outcome=\"allowed\"} 3\n"));
  EXPECT_THAT(metrics, HasSubstr("\nflint_decisions_total{outcome=\"denied\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("\nflint_check_duration_seconds_count 4\n"));
  EXPECT_THAT(metrics, HasSubstr("\nflint_http_responses_total{status=\"2xx\"} 4\n"));
  EXPECT_THAT(metrics, HasSubstr("\nflint_http_responses_total{status=\"4xx\"} 3\n"));
  EXPECT_THAT(metrics, HasSubstr("\nflint_keys 2\n"));
  EXPECT_THAT(metrics, HasSubstr("\nflint_connections 2\n"));
  EXPECT_THAT(metrics, HasSubstr("\nflint_storage_up 1\n"));
  EXPECT_THAT(metrics, HasSubstr("\nflint_storage_waits_for_room 0\n"));
}

TEST_P(MetricsTest, CountCommitsAndTheirRecords) {
  add_limit("a", 9);
  ASSERT_TRUE(server_.limiter().flush().ok());
  const Stats stats = server_.limiter().stats();
  // A new directory's first record is that of the clock.
  ASSERT_EQ(stats.sync_records.sum, stats.last_seq);
  const auto counts = [](std::string_view name, const Histogram& histogram) {
    return "\n" + std::string(name) + "_count " + std::to_string(histogram.count()) + "\n";
  };
  const std::string metrics = scrape(server_);
  EXPECT_THAT(metrics, HasSubstr("\nflint_commit_records_sum " + std::to_string(stats.last_seq) + "\n"));
  EXPECT_THAT(metrics, HasSubstr(counts("flint_commit_records", stats.sync_records)));
  EXPECT_THAT(metrics, HasSubstr(counts("flint_fsync_duration_seconds", stats.sync_nanos)));
  EXPECT_THAT(metrics, HasSubstr("\nflint_unsynced_records 0\n"));
  EXPECT_THAT(metrics, HasSubstr("\nflint_oldest_unsynced_seconds 0\n"));
}

TEST_P(MetricsTest, NameNoKey) {
  add_limit("a-key-of-a-customer", 1);
  ASSERT_EQ(ask(server_.connect(), check("a-key-of-a-customer")).status, 200);
  EXPECT_THAT(scrape(server_), Not(HasSubstr("customer")));
}

TEST_P(MetricsTest, CountDecisionsByRule) {
  add_limit("exact-key", 9);
  add_limit("ip:*", 1);
  add_limit(R"(a "b\*)", 1);
  TestClient client = server_.connect();
  for (const std::string& request : {check("exact-key"), check("ip:1"), check("ip:1"), check("ip:2"),
                                     post("/v1/check", R"({"key":"session","limit":"5/h"})")}) {
    ASSERT_TRUE(client.send(request));
    ASSERT_EQ(client.receive()->status, 200);
  }
  const std::string metrics = scrape(server_);
  const auto expect = [&](std::string_view rule, std::string_view outcome, int count) {
    const std::string sample = "\nflint_rule_decisions_total{rule=\"" + std::string(rule) + "\",outcome=\"" +
                               std::string(outcome) + "\"} " + std::to_string(count) + "\n";
    EXPECT_THAT(metrics, HasSubstr(sample));
  };
  expect("exact", "allowed", 1);
  expect("exact", "would_deny", 0);
  expect("carried", "allowed", 1);
  expect("ip:*", "allowed", 2);
  expect("ip:*", "denied", 1);
  expect(R"(a \"b\\*)", "allowed", 0);
  EXPECT_THAT(metrics, HasSubstr("\nflint_rule_keys{rule=\"ip:*\"} 2\n"));
  EXPECT_THAT(metrics, HasSubstr("\nflint_rule_forgotten_keys_total{rule=\"carried\"} 0\n"));
  EXPECT_THAT(metrics, HasSubstr("\nflint_forgotten_carried_decisions_total{outcome=\"allowed\"} 0\n"));
  EXPECT_THAT(metrics, HasSubstr("\nflint_forgotten_carried_cost_total{outcome=\"denied\"} 0\n"));
  EXPECT_THAT(metrics, Not(HasSubstr("flint_top_denied")));
}

TEST(Monitor, NamesTheKeysWithTheMostDenialsWhereAsked) {
  server::HttpSettings settings = TestServer::defaults();
  settings.top_denied = 2;
  TestServer server(settings);
  TestClient client = server.connect();
  for (const char* key : {"a", "b", "b", "b", "c", "c", "c", "c"}) {
    const std::string request = post("/v1/check", R"({"limit":"1/h","key":")" + std::string(key) + "\"}");
    ASSERT_TRUE(client.send(request));
    ASSERT_EQ(client.receive()->status, 200);
  }
  const std::string metrics = scrape(server);
  EXPECT_THAT(metrics, HasSubstr("\nflint_top_denied{key=\"c\"} 3\nflint_top_denied{key=\"b\"} 2\n"));
  EXPECT_THAT(metrics, Not(HasSubstr("key=\"a\"")));
  EXPECT_THAT(metrics, HasSubstr("\nflint_rule_decisions_total{rule=\"carried\",outcome=\"denied\"} 5\n"));
  EXPECT_EQ(ask(server.connect(), get("/metrics?all")).status, 400);
  EXPECT_EQ(ask(server.connect(), get("/readyz")).body, "ok\n");
}

TEST(Monitor, AnswersPlainTextThatIsNotStored) {
  TestServer server;
  const RawResponse metrics = ask(server.connect(), get("/metrics"));
  EXPECT_EQ(metrics.status, 200);
  EXPECT_EQ(metrics.fields.at("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(metrics.fields.at("cache-control"), "no-store");
  for (const char* path : {"/livez", "/readyz"}) {
    const RawResponse probe = ask(server.connect(), get(path));
    EXPECT_EQ(probe.status, 200) << path;
    EXPECT_EQ(probe.body, "ok\n") << path;
    EXPECT_EQ(probe.fields.at("content-type"), "text/plain; charset=utf-8");
  }
}

TEST(Monitor, AsksForTheTokenForMetricsOnly) {
  TestServer server;
  EXPECT_EQ(ask(server.connect_with_token(), get("/metrics")).status, 401);
  EXPECT_EQ(ask(server.connect_with_token(), get("/metrics", "Authorization: Bearer secret\r\n")).status, 200);
  EXPECT_EQ(ask(server.connect_with_token(), get("/livez")).body, "ok\n");
  EXPECT_EQ(ask(server.connect_with_token(), get("/readyz")).body, "ok\n");
  EXPECT_EQ(ask(server.connect_with_token(), get("/readyz/")).status, 401);
  EXPECT_EQ(ask(server.connect_with_token(), get("/livez/../v1/limits")).status, 401);
}

// Was 421: a probe of HTTP/1.0, such as HAProxy's, names no host.
TEST(Monitor, AnswersProbesThatNameNoHost) {
  TestServer server;
  for (const char* path : {"/livez", "/readyz"}) {
    const std::string line = std::string(path) + " HTTP/1.0\r\n";
    EXPECT_EQ(ask(server.connect(), "GET " + line + "\r\n").body, "ok\n") << path;
    EXPECT_EQ(ask(server.connect_with_token(), "GET " + line + "\r\n").body, "ok\n") << path;
    EXPECT_EQ(ask(server.connect(), "GET " + line + "Host: example.org\r\n\r\n").status, 421) << path;
    EXPECT_EQ(ask(server.connect(), "GET " + line + "Origin: null\r\n\r\n").status, 403) << path;
  }
  EXPECT_EQ(ask(server.connect(), "GET /metrics HTTP/1.0\r\n\r\n").status, 421);
}

TEST(Monitor, AnswersNoWebPageWithoutAToken) {
  TestServer server;
  for (const char* path : {"/metrics", "/livez", "/readyz"}) {
    EXPECT_EQ(ask(server.connect(), get(path, "Origin: http://example.org\r\n")).status, 403) << path;
    const std::string rebound = "GET " + std::string(path) + " HTTP/1.1\r\nHost: example.org\r\n\r\n";
    EXPECT_EQ(ask(server.connect(), rebound).status, 421) << path;
  }
}

TEST(Monitor, TakesGetOnlyAndNoArguments) {
  TestServer server;
  for (const char* path : {"/metrics", "/livez", "/readyz"}) {
    const RawResponse refused = ask(server.connect(), post(path, "{}"));
    EXPECT_EQ(refused.status, 405) << path;
    EXPECT_EQ(refused.field("allow"), "GET, HEAD") << path;
    EXPECT_EQ(ask(server.connect(), get(std::string(path) + "?verbose")).status, 400) << path;
  }
}

TEST(Monitor, IsNotReadyWhileTheServerDrains) {
  TestServer server;
  TestClient client = server.connect();
  // A request that has begun keeps its connection open.
  ASSERT_TRUE(client.send(get("/livez") + "GET /readyz HTTP/1.1\r\n"));
  ASSERT_EQ(client.receive()->status, 200);
  std::thread stopping([&] { server.http().stop(std::chrono::minutes(1)); });
  while (TestClient::connect_tcp(server.open_port()).connected()) {
  }
  ASSERT_TRUE(client.send("Host: localhost\r\n\r\n"));
  const std::optional<RawResponse> ready = client.receive();
  stopping.join();
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->status, 503);
  EXPECT_EQ(ready->body, "draining\n");
  EXPECT_EQ(ready->field("retry-after"), "1");
}

TEST(Monitor, IsNotReadyOnceStorageIsGone) {
  TestServer server;
  ASSERT_TRUE(server.limiter().close().ok());
  const RawResponse ready = ask(server.connect(), get("/readyz"));
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(ready.body, "failed\n");
  EXPECT_EQ(ask(server.connect(), get("/livez")).status, 200);
}

}  // namespace
}  // namespace flint::http
