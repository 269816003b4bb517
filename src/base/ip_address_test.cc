#include "base/ip_address.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

namespace flint::base {
namespace {

// `::ffff:127.0.0.1` was refused as if other machines could reach it, and its clients would have counted as others.
TEST(IpAddress, AnIpv4AddressInAnIpv6OneIsTheIpv4One) {
  for (const char* text : {"::ffff:127.0.0.1", "::FFFF:7f00:1", "0:0:0:0:0:ffff:7f00:0001", "127.0.0.1"}) {
    const std::optional<IpAddress> address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address, IpAddress::parse("127.0.0.1")) << text;
    EXPECT_TRUE(address->is_loopback()) << text;
    EXPECT_EQ(address->text(), "127.0.0.1") << text;
  }
  EXPECT_EQ(IpAddress::parse("::ffff:10.0.0.1"), IpAddress::parse("10.0.0.1"));
  EXPECT_FALSE(IpAddress::parse("::ffff:10.0.0.1")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("::ffff:0.0.0.0")->is_loopback());
}

TEST(IpAddress, LoopbackIsWhatTheKernelKeepsOnThisMachine) {
  for (const char* text : {"127.0.0.1", "127.255.255.255", "::1"}) EXPECT_TRUE(IpAddress::parse(text)->is_loopback());
  // The last three hold 127.0.0.1, and lead to a gateway or nowhere.
  for (const char* text : {"0.0.0.0", "128.0.0.1", "126.255.255.255", "::", "::2", "1::1", "64:ff9b::127.0.0.1",
                           "::127.0.0.1", "2002:7f00:1::"}) {
    EXPECT_FALSE(IpAddress::parse(text)->is_loopback()) << text;
  }
}

TEST(IpAddress, RefusesWhatIsNoAddress) {
  for (const std::string_view text : {"", "localhost", "127.1", "0x7f.0.0.1", "[::1]", "fe80::1%eth0", "::ffff:127.1",
                                      "1.2.3.4.5", "::1 ", "00000000000000000000000000000000000000000000000000"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("127.0.0.1\0x", 11)));
}

TEST(IpAddress, AClientIsAnIpv4AddressOrHalfAnIpv6One) {
  const auto client = [](const char* text) { return IpAddress::parse(text)->client(); };
  EXPECT_EQ(client("2001:db8:1:2::1"), client("2001:db8:1:2:ffff::9"));
  EXPECT_NE(client("2001:db8:1:2::1"), client("2001:db8:1:3::1"));
  EXPECT_NE(client("10.0.0.1"), client("10.0.0.2"));
  EXPECT_EQ(client("::ffff:10.0.0.1"), client("10.0.0.1"));
  EXPECT_EQ(client("64:ff9b::10.0.0.1"), client("10.0.0.1"));
  EXPECT_NE(client("64:ff9b::10.0.0.1"), client("64:ff9b::10.0.0.2"));
}

TEST(IpAddress, AUnixSocketHasNone) {
  sockaddr_storage address{};
  address.ss_family = AF_UNIX;
  EXPECT_FALSE(IpAddress::of(address));
}

}  // namespace
}  // namespace flint::base
