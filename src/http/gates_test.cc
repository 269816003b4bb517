#include "http/gates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/test_server.h"

namespace flint::http {
namespace {

using testing::get;
using ::testing::HasSubstr;
using testing::post;
using ::testing::StartsWith;
using testing::TestClient;
using testing::TestServer;

const std::optional<base::IpAddress> kPeer = base::IpAddress::parse("10.0.0.1");

TEST(ClientOf, IsWhoeverTheOutermostTrustedProxySaw) {
  EXPECT_EQ(client_of(kPeer, "", 1), "10.0.0.1");
  EXPECT_EQ(client_of(kPeer, "192.0.2.1", 0), "10.0.0.1");
  EXPECT_EQ(client_of(kPeer, "192.0.2.1", 1), "192.0.2.1");
  EXPECT_EQ(client_of(kPeer, "6.6.6.6, 192.0.2.1", 1), "192.0.2.1") << "what is further left the client wrote";
  EXPECT_EQ(client_of(kPeer, "6.6.6.6,192.0.2.1 ,10.0.0.2", 2), "192.0.2.1");
  EXPECT_EQ(client_of(kPeer, "192.0.2.1", 3), "192.0.2.1");
  EXPECT_EQ(client_of(kPeer, "192.0.2.1, unknown", 2), "10.0.0.1") << "the last hop that is known";
  EXPECT_EQ(client_of(kPeer, "192.0.2.1,, 10.0.0.2", 3), "10.0.0.2");
  EXPECT_EQ(client_of(std::nullopt, "", 1), "unix");
  EXPECT_EQ(client_of(std::nullopt, "192.0.2.1", 1), "192.0.2.1");
}

TEST(ClientOf, HasOneSpelling) {
  for (const char* entry :
       {"192.0.2.1", "192.0.2.1:4711", "[::ffff:192.0.2.1]:80", "::ffff:c000:201", " 192.0.2.1\t"}) {
    EXPECT_EQ(client_of(kPeer, entry, 1), "192.0.2.1") << entry;
  }
  for (const char* entry :
       {"2001:db8:1:2::1", "[2001:db8:1:2:3:4:5:6]", "[2001:DB8:1:2::9]:443", "2001:db8:1:2::1%eth0"}) {
    EXPECT_EQ(client_of(kPeer, entry, 1), "2001:db8:1:2::/64") << entry;
  }
  for (const char* entry : {"localhost", "192.0.2", "192.0.2.1 x", "[", "[]", "]", ":", "::g", "%", "1.2.3.4, ]["}) {
    EXPECT_EQ(client_of(kPeer, entry, 1), "10.0.0.1") << entry;
  }
}

api::Gate gate(std::string name, std::string_view key, std::string_view limit) {
  api::Gate one;
  one.name = std::move(name);
  one.key = *api::GateKey::parse(key);
  if (!limit.empty()) one.limit = *parse_limit(limit);
  return one;
}

server::HttpSettings with(std::vector<api::Gate> gates) {
  server::HttpSettings settings = TestServer::defaults();
  settings.gates = Gates(std::move(gates));
  return settings;
}

TEST(Gates, AnswerWithAStatusAndNoBody) {
  TestServer server;
  TestClient client = server.connect();
  const std::string ask = get("/v1/gate?key=k&limit=2/d+fixed_window_counter");
  for (const char* left : {"r=1;", "r=0;"}) {
    client.send(ask);
    const auto allowed = client.receive();
    EXPECT_EQ(allowed->status, 204);
    EXPECT_THAT(allowed->field("ratelimit"), StartsWith("\"default\";" + std::string(left)));
    EXPECT_EQ(allowed->field("ratelimit-policy"), "\"default\";q=2");
    for (const char* absent : {"content-type", "content-length", "retry-after"}) {
      EXPECT_EQ(allowed->fields.count(absent), 0U) << absent;
    }
  }
  for (const auto& [query, status] :
       {std::pair{"", 429}, {"&deny_status=403", 403}, {"&deny_status=503", 503}, {"&deny_status=499", 499}}) {
    client.send(get("/v1/gate?key=k&limit=2/d+fixed_window_counter" + std::string(query)));
    const auto denied = client.receive();
    EXPECT_EQ(denied->status, status);
    EXPECT_EQ(denied->field("retry-after"), "86400");
    EXPECT_EQ(denied->field("content-length"), "0");
    EXPECT_EQ(denied->fields.count("content-type"), 0U);
    EXPECT_EQ(denied->fields.count("connection"), 0U) << "503 is what the proxy wants, not a failure";
  }
  EXPECT_EQ(server.limiter().status("k")->total_allowed, 2U);
  EXPECT_EQ(server.limiter().status("k")->total_denied, 4U);
}

TEST(Gates, TakeAnyMethodOfHttpAndWhatProxiesPassOn) {
  TestServer server;
  TestClient client = server.connect();
  for (const char* method : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}) {
    client.send(
        std::string(method) +
        " /v1/gate?key=k&limit=100/s HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: "
        "0\r\nContent-Encoding: gzip\r\nExpect: more\r\nSec-Fetch-Site: same-origin\r\n\r\n");
    EXPECT_EQ(client.receive()->status, 204) << method;
  }
}

TEST(Gates, RefuseBodiesAndWebPages) {
  TestServer server;
  TestClient client = server.connect_with_token();
  const std::string token = "Authorization: Bearer secret\r\n";
  for (const char* site : {"cross-site", "same-site", "anything"}) {
    client.send(get("/v1/gate?key=k&limit=1/d", token + "Sec-Fetch-Site: " + site + "\r\n"));
    EXPECT_EQ(client.receive()->status, 403) << site;
  }
  client.send(get("/v1/gate?key=k&limit=1/d", token + "Sec-Fetch-Site: none\r\nOrigin: https://example.org\r\n"));
  EXPECT_EQ(client.receive()->status, 204);
  for (const std::string& body :
       {std::string("Content-Length: 5\r\n"), std::string("Transfer-Encoding: chunked\r\n")}) {
    TestClient other = server.connect();
    other.send("POST /v1/gate?key=k HTTP/1.1\r\nHost: localhost\r\n" + body + "\r\n");
    const auto answer = other.receive();
    EXPECT_EQ(answer->status, 413);
    EXPECT_THAT(answer->body, HasSubstr("A gate takes no body"));
    EXPECT_TRUE(other.at_end());
  }
}

TEST(Gates, AreForTokensThatCheck) {
  TestServer server;
  TestClient client = server.connect_with_token();
  for (const auto& [token, status] : {std::pair{"checker", 204}, {"secret", 204}, {"watcher", 403}, {"wrong", 401}}) {
    client.send(get("/v1/gate?key=k&limit=9/d", "Authorization: Bearer " + std::string(token) + "\r\n"));
    EXPECT_EQ(client.receive()->status, status) << token;
  }
}

TEST(Gates, ThatAreNamedTakeTheKeyFromTheRequest) {
  TestServer server(with({gate("ip", "ip:{client}", "1/d"), gate("api", "api:{header:X-Api-Key}", "1/d"),
                          gate("both", "{header:a}/{header:b}", "1/d")}));
  TestClient client = server.connect();
  const auto status = [&](const std::string& path, const std::string& fields) {
    client.send(get(path, fields));
    return client.receive()->status;
  };
  EXPECT_EQ(status("/v1/gate/ip", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.1\r\n"), 204);
  EXPECT_EQ(status("/v1/gate/ip/any/%zz?key=x&key=y", "x-forwarded-FOR: 7.7.7.7, 192.0.2.1\r\n"), 429);
  EXPECT_EQ(status("/v1/gate/ip", ""), 204);
  EXPECT_TRUE(server.limiter().status("ip:192.0.2.1").ok());
  EXPECT_TRUE(server.limiter().status("ip:127.0.0.1").ok());

  EXPECT_EQ(status("/v1/gate/api", "X-API-Key: a&limit=9/s b\r\n"), 204);
  EXPECT_TRUE(server.limiter().status("api:a&limit=9/s b").ok());
  EXPECT_EQ(status("/v1/gate/api", ""), 204);
  EXPECT_EQ(status("/v1/gate/api", "X-Api-Key:\r\n"), 429) << "empty is as if it were not there";
  EXPECT_TRUE(server.limiter().status("api:-").ok());
  EXPECT_EQ(status("/v1/gate/both", "B: 2\r\nA: 1\r\n"), 204);
  EXPECT_TRUE(server.limiter().status("1/2").ok());
}

// Whoever chooses a key must not make a proxy answer with an error.
TEST(Gates, DenyAKeyThatCanHaveNoLimit) {
  TestServer server(with({gate("api", "{header:X-Api-Key}", "100/d")}));
  TestClient client = server.connect();
  for (const std::string& fields :
       {std::string("X-Api-Key: a\r\nX-Api-Key: a\r\n"), "X-Api-Key: " + std::string(513, 'x') + "\r\n",
        std::string("X-Api-Key: *\r\n"), std::string("X-Api-Key: a\tb\r\n"), std::string("X-Api-Key: \xff\r\n"),
        std::string("X-Api-Key: \xc2\x85\r\n")}) {
    client.send(get("/v1/gate/api", fields));
    const auto answer = client.receive();
    EXPECT_EQ(answer->status, 429) << fields;
    EXPECT_EQ(answer->fields.count("ratelimit") + answer->fields.count("retry-after"), 0U);
  }
  EXPECT_EQ(server.limiter().stats().keys, 0U);
}

TEST(Gates, WhatTheConfigurationHasWrongIsAnError) {
  TestServer server(with({gate("bare", "bare:{client}", "")}));
  TestClient client = server.connect();
  for (const auto& [path, status] : {std::pair{"/v1/gate", 400},
                                     {"/v1/gate?key=k&cost=0", 400},
                                     {"/v1/gate?key=nobody", 404},
                                     {"/v1/gate?key=k&limit=1/s&cost=2", 400},
                                     {"/v1/gate/bare", 404},
                                     {"/v1/gate/", 404},
                                     {"/v1/gate/none", 404},
                                     {"/v1/gate/ba", 404},
                                     {"/v1/gates", 404},
                                     {"/v1/gat", 404}}) {
    client.send(get(path));
    const auto answer = client.receive();
    EXPECT_EQ(answer->status, status) << path;
    EXPECT_THAT(answer->body, HasSubstr("\"error\":")) << path;
  }
}

TEST(Gates, CanBeReplacedWhileTheyAreUsed) {
  TestServer server(with({gate("g", "old", "100/d")}));
  TestClient client = server.connect();
  client.send(get("/v1/gate/g"));
  EXPECT_EQ(client.receive()->status, 204);
  server.http().set_gates(Gates({gate("g", "new", "100/d")}));
  // The loops take them soon, not at once.
  for (int i = 0; i < 1000 && !server.limiter().status("new").ok(); ++i) {
    client.send(get("/v1/gate/g"));
    EXPECT_EQ(client.receive()->status, 204);
  }
  EXPECT_TRUE(server.limiter().status("new").ok());
}

TEST(Gates, AreCountedAsChecks) {
  TestServer server;
  TestClient client = server.connect();
  for (int i = 0; i < 3; ++i) client.send(get("/v1/gate?key=k&limit=1/d"));
  for (int i = 0; i < 3; ++i) static_cast<void>(client.receive());
  client.send(get("/metrics"));
  const std::string metrics = client.receive()->body;
  EXPECT_THAT(metrics, HasSubstr("flint_decisions_total{outcome=\"allowed\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("flint_decisions_total{outcome=\"denied\"} 2\n"));
  EXPECT_THAT(metrics, HasSubstr("flint_check_duration_seconds_count 3\n"));
}

TEST(Gates, AreAnsweredInOrderWithTheOthers) {
  TestServer server;
  TestClient client = server.connect();
  const std::string check = post("/v1/check", R"({"key":"k","limit":"100/d"})");
  std::string requests;
  for (int i = 0; i < 20; ++i) requests += get("/v1/gate?key=k&limit=100/d") + check + get("/v1/gate?key=*");
  client.send(requests);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(client.receive()->status, 204);
    EXPECT_EQ(client.receive()->status, 200);
    EXPECT_EQ(client.receive()->status, 429);
  }
}

}  // namespace
}  // namespace flint::http
