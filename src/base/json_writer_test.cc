#include "base/json_writer.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace flint::base {
namespace {

TEST(JsonWriter, PutsCommasBetweenWhatFollowsEachOther) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member<"a">(std::uint64_t{18446744073709551615ULL});
  json.member<"b">(true);
  json.name<"c">();
  json.begin_array();
  json.begin_object();
  json.end_object();
  json.begin_array();
  json.end_array();
  json.value("x");
  json.end_array();
  json.member<"d">(std::optional<std::string_view>());
  json.member<"e">(WallTime(std::chrono::milliseconds(1'795'458'122'123)));
  json.end_object();
  EXPECT_EQ(out, R"({"a":18446744073709551615,"b":true,"c":[{},[],"x"],"d":null,"e":"2026-11-23T18:22:02.123Z"})");
}

TEST(JsonWriter, EscapesWhateverAStringMayHold) {
  std::string all;
  for (int c = 0; c < 0x80; ++c) all += static_cast<char>(c);
  all += "é€😀";
  std::string out;
  JsonWriter(out).value(std::string_view(all));
  EXPECT_EQ(out.find_first_of(std::string("\n\r\t\0\x7f", 5)), std::string::npos);
  EXPECT_EQ(boost::json::parse(out).as_string(), all);
}

}  // namespace
}  // namespace flint::base
