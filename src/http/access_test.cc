#include "http/access.h"

#include <gtest/gtest.h>

#include "http/authority.h"
#include "http/chars.h"

namespace flint::http {
namespace {

TEST(Authority, IsAHostAndMaybeAPort) {
  for (const char* text : {"h", "a.b-c_d~e", "127.0.0.1", "h:80", "h:", "[::1]", "[::1]:80", "h:65535"}) {
    EXPECT_TRUE(is_authority(text)) << text;
  }
  for (const char* text :
       {"", ":80", "h:65536", "h:99999999999", "h:8x", "[::1", "::1", "[h]", "u@h", "h/", "h?", "a,b"}) {
    EXPECT_FALSE(is_authority(text)) << text;
  }
}

TEST(Authority, IsLoopbackByNamesThatNoNameServerDecides) {
  for (const char* text : {"localhost", "LocalHost:80", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:80", "[0:0::1]",
                           "[::ffff:127.0.0.1]", "[::ffff:7f00:1]:80"}) {
    EXPECT_TRUE(is_loopback(text)) << text;
  }
  for (const char* text : {"localhost.", "localhost.example.org", "a.localhost", "128.0.0.1", "127.0.0.1.example.org",
                           "127.1", "[::2]", "[::ffff:10.0.0.1]", "example.org", "0.0.0.0"}) {
    EXPECT_FALSE(is_loopback(text)) << text;
  }
}

TEST(FieldLists, AreTakenApartAtCommas) {
  std::string_view list = " a ,\tb,,c";
  EXPECT_EQ(next_element(list), "a");
  EXPECT_EQ(next_element(list), "b");
  EXPECT_EQ(next_element(list), "");
  EXPECT_EQ(next_element(list), "c");
  EXPECT_TRUE(list.empty());
}

}  // namespace
}  // namespace flint::http
