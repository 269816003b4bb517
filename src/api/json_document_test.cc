#include "api/json_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace flint::api {
namespace {

using ::testing::HasSubstr;

std::string refusal(std::string_view text) {
  JsonDocument document;
  const Status status = document.parse(text);
  EXPECT_TRUE(status.ok() || status.code() == Code::kInvalidArgument);
  return status.message();
}

TEST(JsonDocument, ListsValuesInTheOrderInWhichTheyBegin) {
  JsonDocument document;
  ASSERT_TRUE(document.parse(R"( {"a":[1,"x",null],"b":{},"c":true} )").ok());
  const JsonNode& root = document.root();
  ASSERT_EQ(root.kind, JsonNode::Kind::kObject);
  ASSERT_EQ(root.size, 3U);
  const JsonNode* a = document.first_child(root);
  EXPECT_EQ(a->name, "a");
  ASSERT_EQ(a->size, 3U);
  const JsonNode* one = document.first_child(*a);
  EXPECT_EQ(one->integer, 1U);
  const JsonNode* x = document.sibling(*one);
  EXPECT_EQ(x->text, "x");
  EXPECT_EQ(document.sibling(*x)->kind, JsonNode::Kind::kNull);
  const JsonNode* b = document.sibling(*a);
  EXPECT_EQ(b->name, "b");
  EXPECT_EQ(b->size, 0U);
  EXPECT_EQ(document.sibling(*b)->name, "c");
}

TEST(JsonDocument, UnescapesNamesAndStringsAndKeepsThemApart) {
  JsonDocument document;
  ASSERT_TRUE(document.parse(R"({"k\u0065y":"a\"\\\/\b\f\n\r\t","other":"\ud83d\ude00\u00e9","plain":"p"})").ok());
  const JsonNode* key = document.first_child(document.root());
  EXPECT_EQ(key->name, "key");
  EXPECT_EQ(key->text, "a\"\\/\b\f\n\r\t");
  const JsonNode* other = document.sibling(*key);
  EXPECT_EQ(other->text, "😀é");
  EXPECT_EQ(document.sibling(*other)->text, "p");
}

TEST(JsonDocument, KeepsARepeatedMember) {
  JsonDocument document;
  ASSERT_TRUE(document.parse(R"({"a":1,"a":2})").ok());
  EXPECT_EQ(document.root().size, 2U);
}

TEST(JsonDocument, TellsIntegersFromOtherNumbers) {
  JsonDocument document;
  ASSERT_TRUE(document.parse("[0,-0,18446744073709551615,18446744073709551616,-1,1.0,1e2,1E400,0.5]").ok());
  const JsonNode* node = document.first_child(document.root());
  for (const std::string_view kind : {"an integer", "an integer", "an integer", "an integer", "an integer",
                                      "an integer", "an integer", "a number", "a number"}) {
    EXPECT_EQ(kind_name(*node), kind) << node->text;
    node = document.sibling(*node);
  }
  EXPECT_EQ(document[3].integer, UINT64_MAX);
  EXPECT_EQ(document[4].kind, JsonNode::Kind::kNumber) << "beyond 64 bits";
  EXPECT_EQ(document[5].kind, JsonNode::Kind::kNumber) << "below zero";
}

// `{"cost":2.0}` was refused, although JSON Schema calls 2.0 an integer.
TEST(JsonDocument, TakesAWholeNumberHoweverItIsWritten) {
  const std::string zeros(5000, '0');
  const std::pair<std::string, std::uint64_t> whole[] = {
      {"2.0", 2},
      {"2.000", 2},
      {"2e0", 2},
      {"2E+2", 200},
      {"20e-1", 2},
      {"0.02e2", 2},
      {"1.25e2", 125},
      {"120.50e1", 1205},
      {"0.0", 0},
      {"-0.0", 0},
      {"0e300", 0},
      {"1099511627776.0", 1099511627776},
      {"18446744073709551615.0", UINT64_MAX},
      {"1844674407370955161.5e1", UINT64_MAX},
      {"9007199254740993.0", 9007199254740993},
      {"7." + zeros, 7},
      {"7" + zeros.substr(0, 300) + "e-300", 7},
      {"0." + zeros.substr(0, 200) + "7e201", 7},
  };
  for (const auto& [text, value] : whole) {
    JsonDocument document;
    ASSERT_TRUE(document.parse(text).ok()) << text;
    EXPECT_EQ(document.root().kind, JsonNode::Kind::kUnsigned) << text;
    EXPECT_EQ(document.root().integer, value) << text;
  }
  for (const std::string& text : {std::string("0.5"), std::string("2.5"), std::string("15e-1"), std::string("1e-1"),
                                  std::string("-2.0"), std::string("-1e0"), std::string("18446744073709551616.0"),
                                  std::string("1e20"), std::string("99999999999999999999.0"), "1." + zeros + "1"}) {
    JsonDocument document;
    ASSERT_TRUE(document.parse(text).ok()) << text;
    EXPECT_EQ(document.root().kind, JsonNode::Kind::kNumber) << text;
  }
}

TEST(JsonDocument, RefusesWhatIsNotJson) {
  for (const char* text :
       {"{",     "}",      "{]",      "[1,]",        "{\"a\":1,}", "{a:1}", "{'a':1}",        "{\"a\" 1}",
        "nul",   "NaN",    "+1",      "01",          ".5",         "1.",    "0x10",           "1e",
        "\"",    "\"\t\"", "\"\\x\"", "\"\\u12g4\"", "[1 2]",      "/**/1", "\xef\xbb\xbf{}", "{\"a\":1}}",
        "{} {}", "1 x"}) {
    EXPECT_NE(refusal(text), "") << text;
  }
  EXPECT_THAT(refusal(""), HasSubstr("empty"));
  EXPECT_THAT(refusal("{} x"), HasSubstr("The body continues after its JSON value, at byte 3"));
}

TEST(JsonDocument, NamesTheFieldWhereItStopsToBeJson) {
  EXPECT_THAT(refusal(R"({"items":[{"key":"a"},{"key":"b","cost":nope}]})"), HasSubstr("in items[1].cost"));
  EXPECT_THAT(refusal("{\"items\":[\"a\",\"b\xff\"]}"), HasSubstr("not valid UTF-8 at byte 16, in items[1]."));
  EXPECT_THAT(refusal("{\"items\":[[\"a\",tru]]}"), HasSubstr("in items[0][1]"));
}

TEST(JsonDocument, RefusesLoneSurrogates) {
  for (const char* text : {R"("\ud800")", R"("\udc00")", R"("\ud800x")", R"("\ud800\n")", R"("\ud800\ud800")",
                           R"("\udc00\ud800")", R"({"\ud800":1})"}) {
    EXPECT_NE(refusal(text), "") << text;
  }
}

TEST(JsonDocument, RefusesInvalidUtf8) {
  for (const char* text :
       {"\"\x80\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"", "{\"\xff\":1}"}) {
    EXPECT_THAT(refusal(text), HasSubstr("UTF-8")) << text;
  }
}

TEST(JsonDocument, IsBoundedInDepthAndLength) {
  const std::string deepest = std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']');
  EXPECT_EQ(refusal(deepest), "");
  EXPECT_THAT(refusal("[" + deepest + "]"), HasSubstr("more than 8 levels"));
  EXPECT_THAT(refusal(std::string(100'000, '[')), HasSubstr("more than 8 levels"));

  std::string longest = "[1";
  for (std::size_t i = 2; i < kMaxJsonValues; ++i) longest += ",1";
  EXPECT_EQ(refusal(longest + "]"), "");
  EXPECT_THAT(refusal(longest + ",1]"), HasSubstr("more than 4096"));
}

TEST(JsonDocument, SendsBackNothingButNamesThatCouldBeFields) {
  EXPECT_THAT(refusal(R"({"<script>":x})"), HasSubstr("in (a name of 8 bytes)"));
}

TEST(JsonDocument, CanBeUsedAgainAfterAFailure) {
  JsonDocument document;
  ASSERT_FALSE(document.parse(R"({"a\n":["b\t)").ok());
  ASSERT_TRUE(document.parse(R"({"c\n":"d\t"})").ok());
  EXPECT_EQ(document.root().size, 1U);
  EXPECT_EQ(document[1].name, "c\n");
  EXPECT_EQ(document[1].text, "d\t");
}

}  // namespace
}  // namespace flint::api
