#include "api/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flint::api {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST(GateQuery, HasAKeyAndMayHaveTheRest) {
  GateRequest request = *read_gate("key=ip%3a192.0.2.1");
  EXPECT_THAT(request.keys, ElementsAre("ip:192.0.2.1"));
  EXPECT_EQ(request.cost, 1U);
  EXPECT_FALSE(request.limit);
  EXPECT_EQ(request.statuses.deny, 429);
  EXPECT_FALSE(request.has_wrong_key);
  request = *read_gate("deny_status=403&limit=10/s+burst%2020&cost=5&key=a+b");
  EXPECT_THAT(request.keys, ElementsAre("a b"));
  EXPECT_EQ(request.cost, 5U);
  EXPECT_EQ(*request.limit, (Limit{.rate = 10, .per = 1s, .burst = 20}));
  EXPECT_EQ(request.statuses.deny, 403);
}

TEST(GateQuery, TakesSeveralKeysEachOnce) {
  EXPECT_THAT(read_gate("key=a&key=b&key=%61&key=c")->keys, ElementsAre("a", "b", "c"));
  std::string many = "key=0";
  for (int i = 1; i <= 127; ++i) many += "&key=" + std::to_string(i);
  EXPECT_EQ(read_gate(many)->keys.size(), 128U);
  EXPECT_THAT(read_gate(many + "&key=x").status().message(), HasSubstr("at most 128 times"));
}

TEST(GateQuery, AnAmpersandInAKeyIsAPartOfIt) {
  const GateRequest request = *read_gate("key=api%3Ax%26limit%3D1000000%2Fs%26key%3Dother&limit=1/s");
  EXPECT_THAT(request.keys, ElementsAre("api:x&limit=1000000/s&key=other"));
  EXPECT_EQ(request.limit->rate, 1U);
}

// Whoever chooses a key must not make a proxy answer with an error.
TEST(GateQuery, AKeyThatCanHaveNoLimitIsADenial) {
  for (const std::string& key : {std::string(), std::string("%20"), std::string("a%00b"), std::string("a%0D%0Ab"),
                                 std::string("%7F"), std::string("%C2%85"), std::string("%FF"), std::string("%zz"),
                                 std::string("%"), std::string("ip:*"), std::string("a%2A"), std::string(513, 'x')}) {
    const Result<GateRequest> request = read_gate("key=" + key + "&deny_status=403");
    ASSERT_TRUE(request.ok()) << key;
    EXPECT_TRUE(request->has_wrong_key) << key;
    EXPECT_THAT(request->keys, IsEmpty()) << key;
    EXPECT_EQ(request->statuses.deny, 403);
  }
  EXPECT_TRUE(read_gate("key")->has_wrong_key);
}

TEST(GateQuery, AllElseThatIsWrongIsSaid) {
  for (const auto& [query, says] : std::vector<std::pair<std::string, std::string>>{
           {"", "key is missing"},
           {"limit=1/s", "key is missing"},
           {"key=a&cost=0", "cost must be an integer from 1 to 1099511627776, not \"0\""},
           {"key=a&cost=", "cost must be an integer"},
           {"key=a&cost=1.5", "cost must be an integer"},
           {"key=a&cost=%zz", "cost contains a '%'"},
           {"key=a&cost=1&cost=2", "cost appears more than once"},
           {"key=a&limit=often", "limit "},
           {"key=a&limit=1/s&limit=2/s", "limit appears more than once"},
           {"key=a&deny_status=399", "deny_status must be an integer from 400 to 599"},
           {"key=a&deny_status=600", "deny_status must be an integer from 400 to 599"},
           {"key=a&deny_status=403&deny_status=403", "deny_status appears more than once"},
           {"key=a&dry_run=true", "dry_run is not an argument of this request"},
           {"key=a&", "is not an argument"}}) {
    const Result<GateRequest> request = read_gate(query);
    if (query == "key=a&") {
      EXPECT_TRUE(request.ok());
      continue;
    }
    ASSERT_FALSE(request.ok()) << query;
    EXPECT_EQ(request.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(request.status().message(), HasSubstr(says)) << query;
  }
}

std::optional<std::string> filled(std::string_view text, std::optional<std::string> header = "x") {
  return GateKey::parse(text)->fill([&](const GateKey::Part& part) -> std::optional<std::string> {
    if (part.kind == GateKey::Part::Kind::kClient) return "192.0.2.1";
    return header ? std::optional(part.text + "=" + *header) : std::nullopt;
  });
}

TEST(GateKey, IsFilledWithWhatARequestHas) {
  EXPECT_EQ(filled("all"), "all");
  EXPECT_EQ(filled("ip:{client}"), "ip:192.0.2.1");
  EXPECT_EQ(filled("{client}"), "192.0.2.1");
  EXPECT_EQ(filled("a{header:X-Api-Key}b{client}"), "ax-api-key=xb192.0.2.1");
  EXPECT_EQ(filled("a{header:X-Api-Key}", std::nullopt), std::nullopt);
  EXPECT_EQ(filled("a{header:X}", std::string(513, 'x')), std::nullopt);
}

TEST(GateKey, OtherBracesAndKeysThatCannotBeAreRefused) {
  for (const std::string_view text : {"{", "}", "a}b", "{client", "{}", "{ client}", "{Client}", "{header}",
                                      "{header:}", "{header:a b}", "{header:a:b}", "{{client}}", "{query:x}"}) {
    const Result<GateKey> key = GateKey::parse(text);
    ASSERT_FALSE(key.ok()) << text;
    EXPECT_THAT(key.status().message(), StartsWith("key can have {client} and {header:NAME} in it"));
  }
  EXPECT_THAT(GateKey::parse("").status().message(), StartsWith("key must be 1 to 512 bytes"));
  EXPECT_THAT(GateKey::parse("a\nb").status().message(), StartsWith("key must not contain control"));
  EXPECT_THAT(GateKey::parse("ip:*").status().message(), StartsWith("key must not end in"));
  EXPECT_THAT(GateKey::parse(std::string(513, 'x')).status().message(), StartsWith("key must be 1 to 512 bytes"));
}

TEST(GateResponse, IsAStatusAndFields) {
  const Decision yes{.key = "k", .allowed = true, .cost = 1, .capacity = 2, .remaining = 1};
  const Decision no{.key = "k", .allowed = false, .cost = 1, .capacity = 2, .remaining = 0, .retry_after_ms = 1500};
  Response response = gate_response(yes, {.deny = 403});
  EXPECT_EQ(response.status, 204);
  EXPECT_TRUE(response.by_gate);
  EXPECT_EQ(response.body, "");
  EXPECT_THAT(response.fields, StartsWith("RateLimit: "));
  EXPECT_EQ(gate_response(yes, {.allow = 200}).status, 200);
  response = gate_response(no, {.deny = 503});
  EXPECT_EQ(response.status, 503);
  EXPECT_TRUE(response.by_gate);
  EXPECT_THAT(response.fields, HasSubstr("Retry-After: 2\r\n"));
  response = gate_response(CheckAllResult{.allowed = false, .denied_key = "k", .results = {yes, no}}, {});
  EXPECT_EQ(response.status, 429);
  response = gate_response(Status(Code::kLimitNotFound, "none."), {});
  EXPECT_EQ(response.status, 404);
  EXPECT_FALSE(response.by_gate);
}

}  // namespace
}  // namespace flint::api
