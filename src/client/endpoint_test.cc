#include "client/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flint::client {
namespace {

using ::testing::HasSubstr;

TEST(ParseServerUrl, TakesTcpAndUnixSockets) {
  const auto tcp = parse_server_url("http://127.0.0.1:7878/");
  ASSERT_TRUE(tcp.ok());
  EXPECT_EQ(tcp->text, "http://127.0.0.1:7878");
  EXPECT_EQ(tcp->host, "127.0.0.1");
  EXPECT_EQ(tcp->port, "7878");
  EXPECT_TRUE(tcp->socket_path.empty());

  const auto v6 = parse_server_url("http://[::1]:1");
  ASSERT_TRUE(v6.ok());
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->port, "1");

  const auto named = parse_server_url("http://flint.internal");
  ASSERT_TRUE(named.ok());
  EXPECT_EQ(named->port, "80");

  EXPECT_FALSE(named->tls);

  const auto socket = parse_server_url("unix:run/my flint.sock");
  ASSERT_TRUE(socket.ok());
  EXPECT_EQ(socket->socket_path, "run/my flint.sock");
}

TEST(ParseServerUrl, TakesTlsAndThePathOfAProxy) {
  const auto secure = parse_server_url("https://limits.example/team/flint/");
  ASSERT_TRUE(secure.ok());
  EXPECT_EQ(secure->text, "https://limits.example/team/flint");
  EXPECT_TRUE(secure->tls);
  EXPECT_EQ(secure->host, "limits.example");
  EXPECT_EQ(secure->port, "443");
  EXPECT_EQ(secure->prefix, "/team/flint");

  const auto plain = parse_server_url("http://[::1]:81/f%20g");
  ASSERT_TRUE(plain.ok());
  EXPECT_FALSE(plain->tls);
  EXPECT_EQ(plain->host, "::1");
  EXPECT_EQ(plain->port, "81");
  EXPECT_EQ(plain->prefix, "/f%20g");
}

TEST(ParseServerUrl, RefusesTheRestAndSaysWhatToWrite) {
  for (const char* url : {"",
                          "127.0.0.1:7878",
                          "localhost",
                          "ftp://a",
                          "http://",
                          "http://:80",
                          "http://a:",
                          "http://a:0",
                          "http://a:65536",
                          "http://a:-1",
                          "http://a:8o",
                          "http://a//",
                          "http://a//b",
                          "http://a/..",
                          "http://a/./b",
                          "http://a/b c",
                          "http://a/b?c",
                          "https://a/b#c",
                          "https://",
                          "https://a:0",
                          "http://a?b",
                          "http://u@a",
                          "http://::1",
                          "http://[::1",
                          "http://[::1]x:80",
                          "http://a b",
                          "http://a\r\nX: y",
                          "unix:"}) {
    const auto parsed = parse_server_url(url);
    ASSERT_FALSE(parsed.ok()) << url;
    EXPECT_EQ(parsed.code(), Code::kInvalidArgument);
    EXPECT_THAT(parsed.status().message(), HasSubstr("Write http://HOST:PORT"));
  }
}

}  // namespace
}  // namespace flint::client
