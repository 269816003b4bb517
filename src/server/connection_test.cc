#include "server/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <set>
#include <thread>

#include "testing/test_server.h"

namespace flint::server {
namespace {

using std::chrono::milliseconds;
using testing::get;
using ::testing::HasSubstr;
using testing::post;
using testing::RawResponse;
using testing::TestClient;
using testing::TestServer;

constexpr Units kPlenty = 1'000'000;

void add_limit(TestServer& server, std::string_view key, Units rate = kPlenty) {
  const Status status =
      server.limiter().limit(key, {rate, std::chrono::hours(24), Algorithm::kFixedWindowCounter, std::nullopt});
  ASSERT_TRUE(status.ok()) << status.message();
}

std::string check(std::string_view key) { return post("/v1/check", "{\"key\":\"" + std::string(key) + "\"}"); }

/// Deadlines that a test can wait for; those that it does not set never pass.
HttpSettings with_deadlines(void (*set)(Deadlines& deadlines)) {
  HttpSettings settings = TestServer::defaults();
  const milliseconds hour = std::chrono::hours(1);
  settings.deadlines = {.head = hour, .body = hour, .write = hour, .idle = hour, .drain = hour, .linger = hour};
  set(settings.deadlines);
  return settings;
}

TEST(Connection, AnswersPipelinedRequestsInOrder) {
  TestServer server;
  add_limit(server, "k");
  TestClient client = server.connect();
  // Quick ones, ones that wait for a commit, ones that run on a worker, refused ones.
  std::string requests;
  for (int i = 0; i < 20; ++i) {
    requests += check("k") + get("/v1/limits") + get("/v1/limits/k") + get("/nothing") + check("nobody") +
                get("/v1/doctor") + check("k");
  }
  ASSERT_TRUE(client.send(requests));
  for (Units i = 0; i < 20; ++i) {
    EXPECT_THAT(client.receive()->body, HasSubstr("\"remaining\":" + std::to_string(kPlenty - 2 * i - 1) + ","));
    EXPECT_THAT(client.receive()->body, ::testing::StartsWith("[{\"key\":\"k\""));
    EXPECT_THAT(client.receive()->body, HasSubstr("\"remaining\":" + std::to_string(kPlenty - 2 * i - 1) + ","));
    EXPECT_EQ(client.receive()->status, 404);
    EXPECT_EQ(client.receive()->status, 404);
    EXPECT_THAT(client.receive()->body, HasSubstr("aof_bytes"));
    EXPECT_THAT(client.receive()->body, HasSubstr("\"remaining\":" + std::to_string(kPlenty - 2 * i - 2) + ","));
  }
}

TEST(Connection, GrantsExactlyTheLimitToManyClientsAtOnce) {
  TestServer server;
  add_limit(server, "k", 100);
  std::vector<std::future<int>> clients;
  for (int c = 0; c < 8; ++c) {
    clients.push_back(std::async(std::launch::async, [&] {
      TestClient client = server.connect();
      std::string requests;
      for (int i = 0; i < 50; ++i) requests += check("k");
      client.send(requests);
      int allowed = 0;
      for (int i = 0; i < 50; ++i) allowed += client.receive()->body.find("\"allowed\":true") != std::string::npos;
      return allowed;
    }));
  }
  int allowed = 0;
  for (std::future<int>& client : clients) allowed += client.get();
  EXPECT_EQ(allowed, 100);
}

TEST(Connection, AnswersEveryoneWithOneRequestAtATimeOnStorage) {
  HttpSettings settings = TestServer::defaults();
  settings.max_blocking = 1;
  TestServer server(settings);
  add_limit(server, "k");
  std::vector<std::future<void>> clients;
  for (int c = 0; c < 8; ++c) {
    clients.push_back(std::async(std::launch::async, [&] {
      TestClient client = server.connect();
      std::string requests;
      for (int i = 0; i < 25; ++i) requests += check("k") + get("/v1/health");
      client.send(requests);
      for (int i = 0; i < 50; ++i) EXPECT_EQ(client.receive()->status, 200);
    }));
  }
  for (std::future<void>& client : clients) client.get();
  EXPECT_EQ(server.limiter().status("k")->total_allowed, 200U);
}

TEST(Connection, AnswersAClientThatHasFinishedSending) {
  TestServer server;
  add_limit(server, "k");
  TestClient client = server.connect();
  client.send(check("k") + get("/v1/limits") + check("k") + "GET /v1/hea");
  client.finish_sending();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.receive()->status, 200);
  EXPECT_TRUE(client.at_end());
}

TEST(Connection, SurvivesClientsThatGoAway) {
  TestServer server;
  add_limit(server, "k");
  for (int i = 0; i < 50; ++i) {
    server.connect().send(check("k") + get("/v1/limits") + check("k"));
    server.connect().send(check("k").substr(0, 60));
    static_cast<void>(server.connect());
  }
  TestClient client = server.connect();
  client.send(check("k"));
  EXPECT_EQ(client.receive()->status, 200);
}

TEST(Connection, SaysContinueOnlyWhenTheBodyIsWanted) {
  TestServer server;
  add_limit(server, "k");
  TestClient client = server.connect();
  const std::string request = check("k");
  const std::size_t body = request.find("\r\n\r\n") + 4;
  std::string head = request.substr(0, body);
  head.insert(head.size() - 2, "Expect: 100-continue\r\n");
  client.send(head);
  EXPECT_EQ(client.receive()->status, 100);
  client.send(request.substr(body));
  EXPECT_EQ(client.receive()->status, 200);
  // Also when the body is there already: what is said must not depend on packets.
  client.send(head + request.substr(body));
  EXPECT_EQ(client.receive()->status, 100);
  EXPECT_EQ(client.receive()->status, 200);

  TestClient stranger = server.connect_with_token();
  stranger.send(head);
  EXPECT_EQ(stranger.receive()->status, 401);
  EXPECT_TRUE(stranger.at_end());
}

std::vector<std::string> keys_in(const std::string& body) {
  std::vector<std::string> keys;
  constexpr std::string_view kKey = "{\"key\":\"";
  for (std::size_t at = body.find(kKey); at != std::string::npos; at = body.find(kKey, at)) {
    at += kKey.size();
    keys.push_back(body.substr(at, body.find('"', at) - at));
  }
  return keys;
}

TEST(Connection, StreamsALongList) {
  TestServer server(TestServer::defaults(), SyncMode::kBatch);
  std::vector<std::string> expected;
  for (int i = 0; i < 1000; ++i) {
    expected.push_back("key-" + std::string(200, 'x') + std::to_string(1000 + i));
    add_limit(server, expected.back());
  }
  TestClient client = server.connect();
  client.send(get("/v1/limits") + get("/v1/limits?limit=600") + get("/v1/limits?limit=256&after=" + expected[499]) +
              "GET /v1/limits HTTP/1.0\r\nHost: localhost\r\n\r\n");
  std::optional<RawResponse> list = client.receive();
  EXPECT_EQ(list->field("transfer-encoding"), "chunked");
  EXPECT_TRUE(list->body.starts_with('[') && list->body.ends_with(']'));
  EXPECT_EQ(keys_in(list->body), expected);
  EXPECT_EQ(keys_in(client.receive()->body).size(), 600U);
  list = client.receive();
  EXPECT_EQ(list->field("content-length"), std::to_string(list->body.size())) << "one page is not streamed";
  EXPECT_EQ(keys_in(list->body), std::vector<std::string>(expected.begin() + 500, expected.begin() + 756));
  list = client.receive();
  EXPECT_EQ(list->field("connection"), "close");
  EXPECT_EQ(keys_in(list->body), expected) << "HTTP/1.0 knows no chunks: the end is the connection's";
}

TEST(Connection, IsClosedInSilenceWhenNothingComes) {
  TestServer server(with_deadlines([](Deadlines& d) { d.idle = milliseconds(40); }));
  TestClient client = server.connect();
  EXPECT_TRUE(client.at_end());
  TestClient used = server.connect();
  used.send(get("/v1/health"));
  EXPECT_EQ(used.receive()->status, 200);
  EXPECT_TRUE(used.at_end());
}

TEST(Connection, IsToldThatItsHeadIsLate) {
  TestServer server(with_deadlines([](Deadlines& d) { d.head = milliseconds(40); }));
  TestClient client = server.connect();
  client.send(get("/v1/health") + "GET /v1/hea");
  EXPECT_EQ(client.receive()->status, 200);
  const std::optional<RawResponse> late = client.receive();
  ASSERT_TRUE(late);
  EXPECT_EQ(late->status, 408);
  EXPECT_EQ(late->field("connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST(Connection, PutsNoDeadlineOffForBytesThatTrickleIn) {
  TestServer server(with_deadlines([](Deadlines& d) { d.head = milliseconds(100); }));
  TestClient client = server.connect();
  std::atomic<bool> answered = false;
  std::thread trickle([&] {
    for (char letter = 'a'; !answered && client.send(std::string_view(&letter, 1));) {
      std::this_thread::sleep_for(milliseconds(5));  // the pace of a slow client
    }
  });
  EXPECT_EQ(client.receive()->status, 408);
  answered = true;
  trickle.join();
}

TEST(Connection, IsToldThatItsBodyIsLate) {
  TestServer server(with_deadlines([](Deadlines& d) { d.body = milliseconds(40); }));
  TestClient client = server.connect();
  client.send(check("k").substr(0, check("k").size() - 1));
  EXPECT_EQ(client.receive()->status, 408);
  EXPECT_TRUE(client.at_end());
}

TEST(Connection, IsClosedWhenItsAnswersAreNotTaken) {
  TestServer server(with_deadlines([](Deadlines& d) { d.write = milliseconds(100); }), SyncMode::kBatch);
  for (int i = 0; i < 1000; ++i) add_limit(server, "key-" + std::string(400, 'x') + std::to_string(i));
  TestClient slow = server.connect();
  slow.shrink_receive_buffer(4096);
  std::string requests;
  constexpr int kRequests = 100;
  for (int i = 0; i < kRequests; ++i) requests += get("/v1/limits");
  slow.send(requests);
  // Nobody else waits for it.
  TestClient other = server.connect();
  other.send(get("/v1/health"));
  EXPECT_EQ(other.receive()->status, 200);
  // It takes nothing until the server has given up.
  ASSERT_TRUE(server.http().wait_for_connections(1, std::chrono::minutes(1)));
  int complete = 0;
  while (slow.receive()) ++complete;
  EXPECT_LT(complete, kRequests);
}

TEST(Connection, OverTheCapIsTurnedAway) {
  HttpSettings settings = TestServer::defaults();
  settings.places.places = 2;
  TestServer server(settings);
  std::vector<TestClient> inside;
  for (int i = 0; i < 2; ++i) {
    inside.push_back(server.connect());
    inside.back().send(get("/v1/health"));
    EXPECT_EQ(inside.back().receive()->status, 200);
  }
  TestClient third = server.connect();
  third.send(get("/v1/health"));
  const std::optional<RawResponse> refused = third.receive();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->field("retry-after"), "1");
  EXPECT_EQ(refused->field("connection"), "close");
  EXPECT_TRUE(third.at_end());
}

TEST(Drain, ClosesIdleConnectionsAndFinishesRequestsInFlight) {
  HttpSettings settings = TestServer::defaults();
  // So that the idle connection is seen to end behind the moment from which every answer is a last one.
  settings.threads = 1;
  TestServer server(settings);
  add_limit(server, "k");
  TestClient idle = server.connect();
  idle.send(get("/v1/health"));
  EXPECT_EQ(idle.receive()->status, 200);
  TestClient busy = server.connect();
  const std::string request = check("k");
  busy.send(get("/v1/health") + request.substr(0, request.size() - 5));
  EXPECT_EQ(busy.receive()->status, 200);

  std::future<bool> drained =
      std::async(std::launch::async, [&] { return server.http().stop(std::chrono::minutes(1)); });
  EXPECT_TRUE(idle.at_end());
  busy.send(request.substr(request.size() - 5));
  const std::optional<RawResponse> answer = busy.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->field("connection"), "close");
  EXPECT_TRUE(busy.at_end());
  busy = server.connect();
  EXPECT_FALSE(busy.connected()) << "nobody listens any more";
  EXPECT_TRUE(drained.get());
}

TEST(Drain, EndsWhenItsTimeIsOver) {
  TestServer server;
  TestClient busy = server.connect();
  busy.send(get("/v1/health") + "GET /v1/hea");
  EXPECT_EQ(busy.receive()->status, 200);
  EXPECT_FALSE(server.http().stop(milliseconds(20)));
  EXPECT_FALSE(busy.receive());
}

TEST(FailedStorage, IsAnswered503AndNothingIsGranted) {
  TestServer server;
  add_limit(server, "k");
  TestClient client = server.connect();
  client.send(check("k"));
  EXPECT_EQ(client.receive()->status, 200);
  // Whoever takes the lock file away may have opened the directory: the next commit fails.
  std::filesystem::remove(server.data_dir() + "/flint.lock");
  client.send(check("k") + check("k"));
  const std::optional<RawResponse> failed = client.receive();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->status, 503);
  EXPECT_EQ(failed->field("retry-after"), "1");
  EXPECT_THAT(failed->body, HasSubstr("storage_failed"));
  EXPECT_TRUE(client.at_end());

  TestClient later = server.connect();
  later.send(check("k"));
  EXPECT_EQ(later.receive()->status, 503);
  TestClient reader = server.connect();
  reader.send(get("/v1/limits/k"));
  EXPECT_EQ(reader.receive()->status, 200) << "reads go on";
}

}  // namespace
}  // namespace flint::server
