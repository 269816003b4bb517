#include "net/connection_table.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "testing/test_server.h"

namespace flint::net {
namespace {

using testing::get;
using testing::RawResponse;
using testing::TestClient;
using testing::TestServer;
using Entry = ConnectionTable::Entry;

std::shared_ptr<Visitor> visitor(const char* client, bool is_owner = false) {
  auto made = std::make_shared<Visitor>();
  made->is_owner = is_owner;
  if (client != nullptr) made->client = base::IpAddress::parse(client)->client();
  return made;
}

TEST(ConnectionTable, WhoIsNotProvenGivesWayTheOldestFirst) {
  ConnectionTable table(4);
  std::vector<std::shared_ptr<Visitor>> inside;
  for (const char* client : {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"}) {
    inside.push_back(visitor(client));
    EXPECT_EQ(table.enter(inside.back()).entry, Entry::kServed);
  }
  table.prove(*inside[0]);
  const auto fifth = visitor("10.0.0.5");
  const ConnectionTable::Entered entered = table.enter(fifth);
  EXPECT_EQ(entered.entry, Entry::kServed);
  EXPECT_EQ(entered.gives_way, inside[1]);
  table.leave(*inside[1]);
  EXPECT_EQ(table.count(), 4U);
  // One that was proven while it was about to be closed stays, and its place is not counted twice for long.
  EXPECT_EQ(table.enter(visitor("10.0.0.6")).gives_way, inside[2]);
  table.stay(*inside[2]);
  EXPECT_EQ(table.enter(visitor("10.0.0.7")).gives_way, inside[3]);
}

TEST(ConnectionTable, WhenAllAreProvenThereIsRoomForProbesAlways) {
  ConnectionTable table(2);
  for (int i = 0; i < 2; ++i) {
    const auto proven = visitor("10.0.0.1");
    table.enter(proven);
    table.prove(*proven);
  }
  std::vector<std::shared_ptr<Visitor>> probes;
  for (std::size_t i = 0; i < ConnectionTable::kSpare; ++i) {
    probes.push_back(visitor("10.0.0.2"));
    const ConnectionTable::Entered entered = table.enter(probes.back());
    EXPECT_EQ(entered.entry, Entry::kForProbes);
    EXPECT_FALSE(entered.gives_way);
  }
  const ConnectionTable::Entered entered = table.enter(visitor("10.0.0.3"));
  EXPECT_EQ(entered.entry, Entry::kForProbes);
  EXPECT_EQ(entered.gives_way, probes[0]);
  // The owner's places are its own.
  EXPECT_EQ(table.enter(visitor(nullptr, true)).entry, Entry::kServed);
}

TEST(ConnectionTable, OneClientHasHalfOfThePlacesForWhatIsNotProven) {
  ConnectionTable table(8);
  std::vector<std::shared_ptr<Visitor>> many;
  for (int i = 0; i < 4; ++i) {
    // Its addresses differ, but it is one client: they are of one /64.
    many.push_back(visitor(("2001:db8::" + std::to_string(i + 1)).c_str()));
    EXPECT_FALSE(table.enter(many.back()).gives_way);
  }
  EXPECT_FALSE(table.enter(visitor("2001:db8:0:1::1")).gives_way) << "another client";
  EXPECT_EQ(table.enter(visitor("2001:db8::9")).gives_way, many[0]) << "although there are free places";
  table.prove(*many[1]);
  EXPECT_FALSE(table.enter(visitor("2001:db8::a")).gives_way);
}

TEST(ConnectionTable, RefusesWhileTooManyAreOnTheirWayOut) {
  ConnectionTable table(200);
  std::vector<std::shared_ptr<Visitor>> given_way;
  ConnectionTable::Entered entered;
  while (entered.entry == Entry::kServed) {
    entered = table.enter(visitor("10.0.0.1"));
    if (entered.gives_way) given_way.push_back(entered.gives_way);
  }
  EXPECT_EQ(entered.entry, Entry::kRefused);
  EXPECT_EQ(given_way.size(), ConnectionTable::kSpare);
  EXPECT_EQ(table.count(), 100 + ConnectionTable::kSpare);
  for (const auto& gone : given_way) table.leave(*gone);
  EXPECT_EQ(table.count(), 100U);
  EXPECT_EQ(table.enter(visitor("10.0.0.1")).entry, Entry::kServed);
}

/// The status of the first answer: while a crowd is on its way out, newcomers may be closed without one.
template <typename Connect>
int status_of(const Connect& connect, const std::string& request) {
  for (int attempt = 0; attempt < 1000; ++attempt) {
    TestClient client = connect();
    client.send(request);
    if (const std::optional<RawResponse> answer = client.receive()) return answer->status;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // nothing says when the crowd has gone
  }
  return 0;
}

// 1,024 connections on which nothing was said locked everyone out: probes and the owner's socket too.
TEST(Crowd, OfSilentStrangersLocksNobodyOut) {
  server::HttpSettings settings = TestServer::defaults();
  settings.places.places = 32;
  TestServer server(settings);
  const std::string asks = get("/v1/health", "Authorization: Bearer secret\r\n");
  TestClient client = server.connect_with_token();
  client.send(asks);
  ASSERT_EQ(client.receive()->status, 200);

  std::vector<TestClient> crowd;
  for (int i = 0; i < 200; ++i) {
    crowd.push_back(server.connect_with_token());
    // Some ask without the token, some for what anybody may.
    if (i % 3 == 1) crowd.back().send(get("/v1/health"));
    if (i % 3 == 2) crowd.back().send(get("/livez"));
  }
  EXPECT_EQ(status_of([&] { return server.connect_with_token(); }, asks), 200);
  EXPECT_EQ(status_of([&] { return server.connect_with_token(); }, get("/readyz")), 200);
  EXPECT_EQ(status_of([&] { return server.connect_locally(); }, get("/v1/health")), 200);
  client.send(asks);
  EXPECT_EQ(client.receive()->status, 200) << "who had the token has kept its connection";
  ASSERT_TRUE(server.http().wait_for_connections(32 + ConnectionTable::kSpare, std::chrono::minutes(1)));
}

TEST(Crowd, OfClientsThatMayAskLeavesRoomForProbesAndTheOwner) {
  server::HttpSettings settings = TestServer::defaults();
  settings.places.places = 2;
  TestServer server(settings);
  std::vector<TestClient> inside;
  for (int i = 0; i < 2; ++i) {
    inside.push_back(server.connect());
    inside.back().send(get("/v1/health"));
    EXPECT_EQ(inside.back().receive()->status, 200);
  }
  for (const char* probe : {"/livez", "/readyz"}) {
    TestClient client = server.connect();
    client.send(get(probe));
    const std::optional<RawResponse> answer = client.receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->field("connection"), "close");
  }
  EXPECT_EQ(status_of([&] { return server.connect(); }, get("/v1/health")), 503);
  EXPECT_EQ(status_of([&] { return server.connect(); }, get("/metrics")), 503);
  EXPECT_EQ(status_of([&] { return server.connect_locally(); }, get("/v1/health")), 200);
}

}  // namespace
}  // namespace flint::net
