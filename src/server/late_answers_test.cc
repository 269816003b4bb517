#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <random>
#include <string>
#include <vector>

#include "testing/late_backend.h"
#include "testing/seed.h"
#include "testing/test_server.h"

/// The server over a backend whose answers come late, in any order, or never, as those of another machine may.
namespace flint::server {
namespace {

using std::chrono::milliseconds;
using testing::get;
using ::testing::HasSubstr;
using testing::LateBackend;
using testing::post;
using testing::RawResponse;
using testing::TestClient;
using testing::TestServer;

constexpr milliseconds kLong(60'000);

HttpSettings one_thread() {
  HttpSettings settings = TestServer::defaults();
  settings.threads = 1;
  return settings;
}

std::string check(const std::string& key) { return post("/v1/check", R"({"key":")" + key + R"("})"); }

std::string key_of(const std::optional<RawResponse>& response) {
  if (!response || response->status != 200) return "no answer";
  constexpr std::string_view kBegin = R"({"key":")";
  const std::string& body = response->body;
  return body.starts_with(kBegin) ? body.substr(kBegin.size(), body.find('"', kBegin.size()) - kBegin.size()) : body;
}

void expect_unavailable(TestClient& client, std::string_view why) {
  const std::optional<RawResponse> response = client.receive();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 503);
  EXPECT_THAT(response->body, HasSubstr(R"("code":"unavailable")"));
  EXPECT_THAT(response->body, HasSubstr(std::string(why)));
  EXPECT_EQ(response->field("connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST(LateAnswers, LeaveInTheOrderOfTheRequestsHoweverTheyCome) {
  LateBackend backend;
  TestServer server(backend, one_thread());
  TestClient client = server.connect();
  std::mt19937_64 random(testing::test_seed());
  for (int round = 0; round < 20; ++round) {
    std::vector<std::string> keys;
    std::string requests;
    for (int i = 0; i < 12; ++i) {
      keys.push_back("r" + std::to_string(round) + "-" + std::to_string(i));
      requests += check(keys.back());
    }
    ASSERT_TRUE(client.send(requests));
    backend.await(keys.size());
    std::vector<std::string> answered = keys;
    std::shuffle(answered.begin(), answered.end(), random);
    for (const std::string& key : answered) backend.allow(key);
    for (const std::string& key : keys) ASSERT_EQ(key_of(client.receive()), key);
  }
}

TEST(LateAnswers, KeepTheirOrderAmongAnswersThatNeedNoBackend) {
  LateBackend backend;
  TestServer server(backend, one_thread());
  TestClient client = server.connect();
  ASSERT_TRUE(client.send(check("a") + post("/v1/check", "{") + check("b") + get("/livez") + get("/v1/limits/c")));
  backend.await(3);
  LimitStatus status;
  status.key = "c";
  status.limit = {.rate = 1, .per = std::chrono::seconds(1)};
  backend.answer("c", status);
  backend.allow("b");
  backend.allow("a");
  EXPECT_EQ(key_of(client.receive()), "a");
  EXPECT_EQ(client.receive()->status, 400);
  EXPECT_EQ(key_of(client.receive()), "b");
  EXPECT_EQ(client.receive()->body, "ok\n");
  EXPECT_EQ(key_of(client.receive()), "c");
}

TEST(LateAnswers, HoldUpNoOtherConnection) {
  LateBackend backend;
  TestServer server(backend, one_thread());
  TestClient waits = server.connect();
  ASSERT_TRUE(waits.send(check("never")));
  backend.await(1);
  for (int i = 0; i < 3; ++i) {
    TestClient other = server.connect();
    ASSERT_TRUE(other.send(check("other")));
    backend.await(2);
    backend.allow("other");
    EXPECT_EQ(key_of(other.receive()), "other");
  }
  EXPECT_EQ(backend.waiting(), 1U);
}

TEST(LateAnswers, ThatNeverComeEndWithTheBackendsPatience) {
  LateBackend backend(milliseconds(100));
  TestServer server(backend, one_thread());
  TestClient client = server.connect();
  ASSERT_TRUE(client.send(check("a") + check("never") + check("behind")));
  backend.await(3);
  backend.allow("a");
  backend.allow("behind");
  EXPECT_EQ(key_of(client.receive()), "a");
  expect_unavailable(client, "did not answer in time");
  EXPECT_TRUE(server.http().wait_for_connections(0, kLong));
  EXPECT_EQ(backend.waiting(), 0U) << "the backend still works for a connection that is gone";
}

TEST(LateAnswers, ToAHeadRequestThatNeverComeHaveNoBody) {
  LateBackend backend(milliseconds(100));
  TestServer server(backend, one_thread());
  TestClient client = server.connect();
  ASSERT_TRUE(client.send("HEAD /v1/limits/a HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  backend.await(1);
  const std::optional<RawResponse> response = client.receive(true);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 503);
  EXPECT_TRUE(client.at_end());
}

TEST(LateAnswers, ThatFailEndTheirConnectionBehindTheOnesBefore) {
  LateBackend backend;
  TestServer server(backend, one_thread());
  TestClient client = server.connect();
  ASSERT_TRUE(client.send(check("a") + check("b") + check("c")));
  backend.await(3);
  backend.answer("b", Status(Code::kUnavailable, "The shard is away."));
  backend.allow("c");
  backend.allow("a");
  EXPECT_EQ(key_of(client.receive()), "a");
  expect_unavailable(client, "The shard is away.");
}

TEST(LateAnswers, OfOtherFailuresLeaveTheConnectionOpen) {
  LateBackend backend;
  TestServer server(backend, one_thread());
  TestClient client = server.connect();
  ASSERT_TRUE(client.send(check("a") + check("b")));
  backend.await(2);
  backend.allow("b");
  backend.answer("a", Status(Code::kLimitNotFound, "No limit."));
  EXPECT_EQ(client.receive()->status, 404);
  EXPECT_EQ(key_of(client.receive()), "b");
}

TEST(LateAnswers, AreAwaitedByAServerThatStops) {
  LateBackend backend;
  TestServer server(backend, one_thread());
  TestClient client = server.connect();
  ASSERT_TRUE(client.send(check("a")));
  backend.await(1);
  TestClient idle = server.connect();
  ASSERT_TRUE(idle.send(get("/livez")) && idle.receive());
  auto stopped = std::async(std::launch::async, [&] { return server.http().stop(kLong); });
  EXPECT_TRUE(idle.at_end()) << "this is how a client sees that the server drains";
  backend.allow("a");
  const std::optional<RawResponse> response = client.receive();
  EXPECT_EQ(key_of(response), "a");
  EXPECT_TRUE(stopped.get()) << "the server was not drained";
}

TEST(LateAnswers, SayThatNothingIsServedAfterThemWhenTheServerStops) {
  LateBackend backend;
  TestServer server(backend, one_thread());
  TestClient client = server.connect();
  ASSERT_TRUE(client.send(check("a") + check("b")));
  backend.await(2);
  TestClient idle = server.connect();
  ASSERT_TRUE(idle.send(get("/livez")) && idle.receive());
  auto stopped = std::async(std::launch::async, [&] { return server.http().stop(kLong); });
  EXPECT_TRUE(idle.at_end()) << "this is how a client sees that the server drains";
  backend.allow("a");
  backend.allow("b");
  const std::optional<RawResponse> first = client.receive();
  ASSERT_EQ(key_of(first), "a");
  EXPECT_EQ(first->field("connection"), "") << "one more answer follows";
  const std::optional<RawResponse> last = client.receive();
  ASSERT_EQ(key_of(last), "b");
  EXPECT_EQ(last->field("connection"), "close") << "a request behind it would be dropped";
  EXPECT_TRUE(client.at_end());
  EXPECT_TRUE(stopped.get()) << "the server was not drained";
}

TEST(LateAnswers, ThatNeverComeAreToldToBeMissingWhenTheServerStops) {
  LateBackend backend;
  TestServer server(backend, one_thread());
  TestClient client = server.connect();
  TestClient lists = server.connect();
  ASSERT_TRUE(client.send(check("never")));
  ASSERT_TRUE(lists.send(get("/v1/limits")));
  backend.await(2);
  EXPECT_FALSE(server.http().stop(milliseconds(50)));
  expect_unavailable(client, "server stopped");
  expect_unavailable(lists, "server stopped");
  if (backend.waiting() > 0) backend.answer("list", std::vector<LimitStatus>());
}

TEST(LateAnswers, CostNothingOnceTheirClientHasLeft) {
  LateBackend backend;
  HttpSettings settings = one_thread();
  settings.max_blocking = 1;
  TestServer server(backend, settings);
  {
    TestClient leaves = server.connect();
    ASSERT_TRUE(leaves.send(check("never")));
    backend.await(1);
    leaves.reset();
  }
  EXPECT_TRUE(server.http().wait_for_connections(0, kLong));
  EXPECT_EQ(backend.waiting(), 0U);
  TestClient next = server.connect();
  ASSERT_TRUE(next.send(check("next")));
  EXPECT_EQ(backend.await(1), std::vector<std::string>{"next"}) << "the place in the storage gate was not left";
  backend.allow("next");
  EXPECT_EQ(key_of(next.receive()), "next");
}

TEST(LateAnswers, KeepTheirPlaceInTheStorageGate) {
  LateBackend backend;
  HttpSettings settings = one_thread();
  settings.max_blocking = 2;
  TestServer server(backend, settings);
  TestClient first = server.connect();
  TestClient second = server.connect();
  ASSERT_TRUE(first.send(check("a") + check("b") + check("c")));
  EXPECT_EQ(backend.await(2), (std::vector<std::string>{"a", "b"}));
  ASSERT_TRUE(second.send(get("/livez") + check("d")));
  EXPECT_EQ(second.receive()->status, 200) << "what needs no place in the gate waits for one";
  EXPECT_EQ(backend.waiting(), 2U);
  backend.allow("b");
  EXPECT_EQ(backend.await(2).back(), "c");
  backend.allow("a");
  backend.await(2);
  backend.allow("c");
  backend.allow("d");
  for (const char* key : {"a", "b", "c"}) EXPECT_EQ(key_of(first.receive()), key);
  EXPECT_EQ(key_of(second.receive()), "d");
}

TEST(LateAnswers, OfSlowRequestsHoldNoThread) {
  LateBackend backend;
  TestServer server(backend, one_thread());
  std::vector<TestClient> clients;
  for (std::size_t i = 0; i < 2 * ServerCore::kMaxWorkers + 1; ++i) {
    clients.push_back(server.connect());
    ASSERT_TRUE(clients.back().send(get("/v1/top")));
    backend.await(i + 1);
  }
  for (TestClient& client : clients) {
    backend.answer("top", std::vector<LimitStatus>());
    EXPECT_EQ(client.receive()->body, "[]");
  }
}

TEST(LateAnswers, OfSlowRequestsEndWithTheBackendsPatience) {
  LateBackend backend(milliseconds(100));
  TestServer server(backend, one_thread());
  TestClient client = server.connect();
  ASSERT_TRUE(client.send(get("/v1/doctor")));
  backend.await(1);
  expect_unavailable(client, "did not answer in time");
  backend.answer("examine", DoctorReport());
  TestClient next = server.connect();
  ASSERT_TRUE(next.send(check("a")));
  backend.await(1);
  backend.allow("a");
  EXPECT_EQ(key_of(next.receive()), "a");
}

TEST(LateAnswers, MakeUpALongListAPageAtATime) {
  LateBackend backend;
  TestServer server(backend, one_thread());
  TestClient client = server.connect();
  ASSERT_TRUE(client.send(get("/v1/limits?limit=300")));
  std::vector<LimitStatus> statuses(300);
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    statuses[i].key = "k" + std::to_string(i);
    statuses[i].limit = {.rate = 1, .per = std::chrono::seconds(1)};
  }
  const auto page = [&](std::size_t begin, std::size_t end) {
    return std::vector<LimitStatus>(statuses.begin() + static_cast<std::ptrdiff_t>(begin),
                                    statuses.begin() + static_cast<std::ptrdiff_t>(end));
  };
  backend.await(1);
  backend.answer("list", page(0, 256));
  backend.await(1);
  backend.answer("list", page(256, 300));
  const std::optional<RawResponse> response = client.receive();
  ASSERT_TRUE(response);
  EXPECT_TRUE(response->body.starts_with(R"([{"key":"k0")") && response->body.ends_with("]"));
  for (const char* key : {R"({"key":"k255",)", R"(,{"key":"k256",)", R"({"key":"k299",)"}) {
    EXPECT_THAT(response->body, HasSubstr(key));
  }
}

}  // namespace
}  // namespace flint::server
