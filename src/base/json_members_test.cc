#include "base/json_members.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace flint::base {
namespace {

TEST(JsonMembers, AreWrittenAsJsonWriterWritesThem) {
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{9}, std::uint64_t{10}, kMost}) {
    for (const WallTime time : {WallTime(), WallTime(std::chrono::milliseconds(1'796'000'123'456)), WallTime::max()}) {
      const std::optional<std::uint64_t> none;
      std::string expected = "{";
      JsonWriter json(expected);
      json.member<"first">(true);
      json.member<"number">(number);
      json.member<"some">(std::optional(number));
      json.member<"none">(none);
      json.member<"time">(time);
      json.member<"text">(std::string_view("token_bucket"));
      json.member<"truth">(false);

      JsonMembers<256> members;
      members.member<"number">(number);
      members.member<"some">(std::optional(number));
      members.member<"none">(none);
      members.member<"time">(time);
      members.member<"text">(std::string_view("token_bucket"));
      members.member<"truth">(false);
      EXPECT_EQ("{\"first\":true" + std::string(members.text()), expected);
    }
  }
}

/// At each place of a word, and behind the last one: a text is looked at eight bytes at a time.
TEST(JsonWriter, EscapesAtEachPlace) {
  for (const char escaped : {'"', '\\', '\n', '\x1f', '\x7f', '\0'}) {
    for (std::size_t size = 1; size < 20; ++size) {
      for (std::size_t at = 0; at < size; ++at) {
        std::string text(size, 'a');
        text[at] = escaped;
        if (at + 1 < size) text[at + 1] = ' ';  // one above the controls
        std::string out;
        JsonWriter(out).value(std::string_view(text));
        const std::string shown = escaped == '"'      ? "\\\""
                                  : escaped == '\\'   ? "\\\\"
                                  : escaped == '\n'   ? "\\n"
                                  : escaped == '\x1f' ? "\\u001f"
                                  : escaped == '\x7f' ? "\\u007f"
                                                      : "\\u0000";
        std::string expected = "\"" + text.substr(0, at) + shown + text.substr(at + 1) + "\"";
        ASSERT_EQ(out, expected) << size << " " << at;
      }
    }
  }
}

}  // namespace
}  // namespace flint::base
