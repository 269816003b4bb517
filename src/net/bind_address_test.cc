#include "net/bind_address.h"

#include <gtest/gtest.h>

namespace flint::net {
namespace {

TEST(BindAddress, IsAnIpAddressAndAPort) {
  struct Case {
    const char* text;
    const char* host;
    std::uint16_t port;
    bool local;
    const char* url;
  };
  for (const Case& c : {Case{"127.0.0.1:7878", "127.0.0.1", 7878, true, "http://127.0.0.1:7878"},
                        Case{"127.8.9.1:0", "127.8.9.1", 0, true, "http://127.8.9.1:0"},
                        Case{"localhost:1", "127.0.0.1", 1, true, "http://127.0.0.1:1"},
                        Case{"[::1]:65535", "::1", 65535, true, "http://[::1]:65535"},
                        Case{"0.0.0.0:80", "0.0.0.0", 80, false, "http://0.0.0.0:80"},
                        Case{"[::]:80", "::", 80, false, "http://[::]:80"},
                        // Was taken for an address of other machines.
                        Case{"[::ffff:127.0.0.1]:80", "127.0.0.1", 80, true, "http://127.0.0.1:80"},
                        Case{"[::ffff:10.0.0.1]:80", "10.0.0.1", 80, false, "http://10.0.0.1:80"},
                        Case{"[::ffff:0.0.0.0]:80", "0.0.0.0", 80, false, "http://0.0.0.0:80"},
                        Case{"[64:ff9b::7f00:1]:80", "64:ff9b::7f00:1", 80, false, "http://[64:ff9b::7f00:1]:80"},
                        Case{"192.168.1.7:80", "192.168.1.7", 80, false, "http://192.168.1.7:80"}}) {
    const Result<BindAddress> address = parse_bind_address(c.text);
    ASSERT_TRUE(address.ok()) << c.text << ": " << address.status().message();
    EXPECT_FALSE(address->is_unix());
    EXPECT_EQ(address->host, c.host);
    EXPECT_EQ(address->port, c.port);
    EXPECT_EQ(address->is_local(), c.local) << c.text;
    EXPECT_EQ(address->url(), c.url);
  }
}

TEST(BindAddress, IsAUnixSocket) {
  const Result<BindAddress> address = parse_bind_address("unix:run/my flint.sock");
  ASSERT_TRUE(address.ok());
  EXPECT_TRUE(address->is_unix());
  EXPECT_TRUE(address->is_local());
  EXPECT_EQ(address->path, "run/my flint.sock");
  EXPECT_EQ(address->url(), "unix:run/my flint.sock");
}

TEST(BindAddress, MayBeNone) {
  const Result<BindAddress> address = parse_bind_address("none");
  ASSERT_TRUE(address.ok());
  EXPECT_TRUE(address->is_none());
  EXPECT_FALSE(address->is_unix());
  EXPECT_TRUE(address->is_local());
  EXPECT_EQ(address->url(), "none");
  EXPECT_FALSE(parse_bind_address("127.0.0.1:1")->is_none());
  EXPECT_FALSE(parse_bind_address("unix:s")->is_none());
}

TEST(BindAddress, SaysWhatIsAllowed) {
  for (const char* text : {"",
                           "7878",
                           ":7878",
                           "127.0.0.1",
                           "127.0.0.1:",
                           "127.0.0.1:x",
                           "127.0.0.1:65536",
                           "127.0.0.1:-1",
                           "127.0.0.1:+1",
                           "127.0.0.1: 1",
                           "127.0.0.1:000001",
                           "::1:7878",
                           "[::1]",
                           "[::1]7878",
                           "[127.0.0.1]:1",
                           "127.1:80",
                           "0x7f.0.0.1:80",
                           "example.org:80",
                           "*:80",
                           "http://127.0.0.1:80",
                           "unix:"}) {
    const Result<BindAddress> address = parse_bind_address(text);
    EXPECT_EQ(address.code(), Code::kInvalidArgument) << text;
    EXPECT_NE(address.status().message().find("Write ADDRESS:PORT"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace flint::net
