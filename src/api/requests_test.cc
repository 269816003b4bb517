#include "api/requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace flint::api {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

template <typename T>
class Reading {
 public:
  Reading(std::string text, Result<T> (*read)(const JsonDocument&)) : text_(std::move(text)) {
    const Status parsed = document_.parse(text_);
    EXPECT_TRUE(parsed.ok()) << parsed.message();
    if (parsed.ok()) result_ = read(document_);
  }
  const Result<T>& operator*() const { return result_; }
  const Result<T>* operator->() const { return &result_; }
  std::string message() const { return result_.status().message(); }

 private:
  std::string text_;
  JsonDocument document_;
  Result<T> result_{Status(Code::kClosed, "not read")};
};

struct Refusal {
  std::string body;
  std::string message;
};

TEST(CheckRequest, HasAKeyAndMaybeACost) {
  const Reading plain(R"({"key":"api:user-42"})", read_check);
  ASSERT_TRUE(plain->ok());
  EXPECT_EQ((**plain).key, "api:user-42");
  EXPECT_EQ((**plain).cost, 1U);
  const Reading costly(R"({"cost":1099511627776,"key":"k"})", read_check);
  ASSERT_TRUE(costly->ok());
  EXPECT_EQ((**costly).cost, kMaxUnits);
}

TEST(CheckRequest, RefusesWhatItIsNotByTheFieldsName) {
  const std::string range = "cost must be an integer from 1 to 1099511627776, not ";
  for (const auto& [body, message] : std::initializer_list<Refusal>{
           {"{}", "key is missing."},
           {"[]", "The body must be an object, not an array."},
           {"\"k\"", "The body must be an object, not a string."},
           {R"({"key":1})", "key must be a string, not an integer."},
           {R"({"key":null})", "key must be a string, not null."},
           {R"({"key":"k","key":"k"})", "key appears more than once."},
           {R"({"key":"k","cost":1,"cost":1})", "cost appears more than once."},
           {R"({"key":"k","\u0063ost":1,"cost":1})", "cost appears more than once."},
           {R"({"key":"k","Cost":1})", "Cost is not a field of this request."},
           {R"({"key":"k","<b>":1})", "(a name of 3 bytes) is not a field of this request."},
           {R"({"key":"k","":1})", "(a name of 0 bytes) is not a field of this request."},
           {R"({"key":"k","cost":"1"})", range + "a string."},
           {R"({"key":"k","cost":null})", range + "null."},
           {R"({"key":"k","cost":true})", range + "a boolean."},
           {R"({"key":"k","cost":[1]})", range + "an array."},
           {R"({"key":"k","cost":0})", range + "0."},
           {R"({"key":"k","cost":-1})", range + "-1."},
           {R"({"key":"k","cost":1.5})", range + "1.5."},
           {R"({"key":"k","cost":15e-1})", range + "15e-1."},
           {R"({"key":"k","cost":0.0})", range + "0.0."},
           {R"({"key":"k","cost":-2.0})", range + "-2.0."},
           {R"({"key":"k","cost":1e13})", range + "1e13."},
           {R"({"key":"k","cost":1099511627777})", range + "1099511627777."},
           {R"({"key":"k","cost":18446744073709551616})", range + "18446744073709551616."},
           {R"({"key":"k","cost":123456789012345678901234567890})", range + "a number of 30 characters."}}) {
    EXPECT_EQ(Reading(body, read_check).message(), message) << body;
  }
}

TEST(ChargeRequest, IsACheckWhoseCostIsThere) {
  const Reading whole(R"({"key":"k","cost":7,"limit":"5/s","request_id":"id"})", read_charge);
  ASSERT_TRUE(whole->ok()) << whole.message();
  EXPECT_EQ((**whole).cost, 7U);
  EXPECT_EQ((**whole).limit->rate, 5U);
  EXPECT_EQ((**whole).request_id, "id");
  EXPECT_EQ(Reading(R"({"key":"k"})", read_charge).message(), "cost is missing.");
  EXPECT_EQ(Reading(R"({"cost":1})", read_charge).message(), "key is missing.");
  EXPECT_THAT(Reading(R"({"key":"k","cost":0})", read_charge).message(), StartsWith("cost must be an integer from 1"));
  EXPECT_EQ(Reading(R"({"key":"k","cost":1,"dry_run":true})", read_charge).message(),
            "dry_run is not a field of this request.");
}

TEST(ReserveRequest, HasItemsAndATime) {
  const Reading plain(R"({"items":["a",["b",3],{"key":"c","limit":"5/s"}],"ttl":120})", read_reserve);
  ASSERT_TRUE(plain->ok()) << plain.message();
  ASSERT_EQ((**plain).items.size(), 3U);
  EXPECT_EQ((**plain).items[1].cost, 3U);
  EXPECT_EQ((**plain).items[2].limit, &(**plain).limits.front());
  EXPECT_EQ((**plain).options.ttl, std::chrono::minutes(2));
  EXPECT_EQ((**plain).options.on_expiry, OnExpiry::kKeep);
  const Reading whole(R"({"items":["a"],"ttl":"250ms","on_expiry":"return","request_id":"id"})", read_reserve);
  ASSERT_TRUE(whole->ok()) << whole.message();
  EXPECT_EQ((**whole).options.ttl, std::chrono::milliseconds(250));
  EXPECT_EQ((**whole).options.on_expiry, OnExpiry::kReturn);
  EXPECT_EQ((**whole).options.request_id, "id");
}

TEST(ReserveRequest, RefusesByTheFieldsName) {
  const std::string period = "ttl must be an integer and a unit";
  for (const auto& [body, message] : std::initializer_list<Refusal>{
           {R"({"ttl":1})", "items is missing."},
           {R"({"items":["a"]})", "ttl is missing."},
           {R"({"items":[],"ttl":1})", "items must contain 1 to 128 keys, not 0."},
           {R"({"items":["a",5],"ttl":1})", "items[1] must be an object, a key or an array"},
           {R"({"items":["a"],"ttl":0})", period},
           {R"({"items":["a"],"ttl":1.5})", period},
           {R"({"items":["a"],"ttl":"367d"})", period},
           {R"({"items":["a"],"ttl":null})",
            "ttl must be a duration such as \"1m\" or an integer of seconds, not null."},
           {R"({"items":["a"],"ttl":1,"on_expiry":"Keep"})", "on_expiry must be keep or return."},
           {R"({"items":["a"],"ttl":1,"on_expiry":1})", "on_expiry must be a string, not an integer."},
           {R"({"items":["a"],"ttl":1,"request_id":""})", "request_id must be 1 to 64"}}) {
    EXPECT_THAT(Reading(body, read_reserve).message(), StartsWith(message)) << body;
  }
}

constexpr std::string_view kId = "0123456789abcdef0123456789abcdef";

TEST(CommitRequest, HasActualCosts) {
  const std::string begin = R"({"reservation":")" + std::string(kId) + '"';
  const Reading bare(begin + "}", read_commit);
  ASSERT_TRUE(bare->ok()) << bare.message();
  EXPECT_EQ((**bare).reservation, kId);
  EXPECT_TRUE((**bare).costs.empty());
  const Reading whole(begin + R"(,"costs":{"a":0,"\u0062":1099511627776}})", read_commit);
  ASSERT_TRUE(whole->ok()) << whole.message();
  ASSERT_EQ((**whole).costs.size(), 2U);
  EXPECT_EQ((**whole).costs[0].cost, 0U);
  EXPECT_EQ((**whole).costs[1].key, "b");
  EXPECT_EQ((**whole).costs[1].cost, kMaxUnits);
  std::string many;
  for (int i = 0; i < 129; ++i) many += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":1";
  const std::string integers = "costs must have integers from 0 to 1099511627776, which the cost of \"a\" is not.";
  for (const auto& [costs, message] : std::initializer_list<Refusal>{
           {"null", "costs must be an object of at most 128 keys with their costs."},
           {"[]", "costs must be an object of at most 128 keys with their costs."},
           {"{" + many + "}", "costs must be an object of at most 128 keys with their costs."},
           {R"({"a":-1})", integers},
           {R"({"a":1.5})", integers},
           {R"({"a":1099511627777})", integers},
           {R"({"a":"1"})", integers},
           {R"({"a":1,"\u0061":1})", "costs must not have a key more than once, as \"a\"."},
           {R"({"":1})", "a key of costs must be 1 to 512 bytes"},
           {R"({"a\n":1})", "a key of costs must not contain control characters"}}) {
    EXPECT_THAT(Reading(begin + ",\"costs\":" + costs + "}", read_commit).message(), StartsWith(message)) << costs;
  }
}

TEST(Reservations, AreNamedByThirtyTwoHexadecimalDigits) {
  const std::string odd = "reservation must be the id of one: 32 hexadecimal digits.";
  for (const std::string& id : {std::string(), std::string(kId.substr(1)), std::string(kId) + "0",
                                std::string("0123456789ABCDEF0123456789abcdef"), std::string(32, 'g')}) {
    EXPECT_EQ(Reading(R"({"reservation":")" + id + "\"}", read_cancel).message(), odd) << id;
    EXPECT_EQ(Reading(R"({"reservation":")" + id + "\"}", read_commit).message(), odd) << id;
    EXPECT_EQ(Reading(R"({"ttl":1,"reservation":")" + id + "\"}", read_renew).message(), odd) << id;
  }
  EXPECT_EQ(Reading("{}", read_cancel).message(), "reservation is missing.");
  EXPECT_EQ(Reading(R"({"reservation":")" + std::string(kId) + "\"}", read_renew).message(), "ttl is missing.");
  const Reading renewal(R"({"ttl":"1h","reservation":")" + std::string(kId) + "\"}", read_renew);
  ASSERT_TRUE(renewal->ok());
  EXPECT_EQ((**renewal).ttl, std::chrono::hours(1));
}

TEST(CheckAllRequest, TakesEachFormOfAnItem) {
  const Reading reading(R"({"items":["a",["b"],["c",3],{"key":"d"},{"cost":5,"key":"e"}]})", read_check_all);
  ASSERT_TRUE(reading->ok()) << reading.message();
  const std::vector<CheckItem>& items = (**reading).items;
  ASSERT_EQ(items.size(), 5U);
  const std::pair<std::string_view, Units> expected[] = {{"a", 1}, {"b", 1}, {"c", 3}, {"d", 1}, {"e", 5}};
  for (std::size_t i = 0; i < items.size(); ++i) {
    EXPECT_EQ(items[i].key, expected[i].first);
    EXPECT_EQ(items[i].cost, expected[i].second);
  }
}

TEST(CheckRequest, TakesALimitAsTextOrInParts) {
  const Reading text(R"({"key":"k","limit":"100/m"})", read_check);
  ASSERT_TRUE(text->ok()) << text.message();
  EXPECT_EQ((**text).limit, (Limit{.rate = 100, .per = std::chrono::minutes(1)}));
  EXPECT_FALSE((**text).dry_run);
  const Reading parts(R"({"key":"k","limit":{"rate":5,"per":"1h","algorithm":"fixed_window_counter"},"dry_run":true})",
                      read_check);
  ASSERT_TRUE(parts->ok()) << parts.message();
  EXPECT_EQ((**parts).limit->algorithm, Algorithm::kFixedWindowCounter);
  EXPECT_TRUE((**parts).dry_run);
}

TEST(CheckRequest, NamesWhatIsWrongWithALimit) {
  for (const auto& [body, message] : std::initializer_list<Refusal>{
           {R"({"key":"k","limit":1})",
            "limit must be a text such as \"100/m\" or an object with rate and per, not an integer."},
           {R"({"key":"k","limit":{}})", "limit.rate is missing."},
           {R"({"key":"k","limit":{"rate":1}})", "limit.per is missing."},
           {R"({"key":"k","limit":{"rate":1,"per":"1m","limit":"1/m"}})",
            "limit.limit is not a field of this request."},
           {R"({"key":"k","dry_run":1})", "dry_run must be true or false, not an integer."},
           {R"({"key":"k","dry_run":"true"})", "dry_run must be true or false, not a string."}}) {
    EXPECT_EQ(Reading(body, read_check).message(), message) << body;
  }
}

TEST(CheckAllRequest, EachItemMayCarryItsLimit) {
  const Reading reading(R"({"items":["a",{"key":"b","limit":"2/s"},{"key":"c","limit":"3/s"}],"dry_run":true})",
                        read_check_all);
  ASSERT_TRUE(reading->ok()) << reading.message();
  const std::vector<CheckItem>& items = (**reading).items;
  EXPECT_EQ(items[0].limit, nullptr);
  EXPECT_EQ(items[1].limit->rate, 2U);
  EXPECT_EQ(items[2].limit->rate, 3U);
  EXPECT_TRUE((**reading).dry_run);
  EXPECT_EQ(Reading(R"({"items":[{"key":"b","limit":{"rate":0,"per":1}}]})", read_check_all).message(),
            "items[0].limit.rate must be an integer from 1 to 1099511627776, not 0.");
}

TEST(ResetPrefixRequest, HasAPrefixThatIsNotEmpty) {
  EXPECT_EQ(**Reading(R"({"prefix":"ip:"})", read_reset_prefix), "ip:");
  EXPECT_EQ(Reading(R"({"prefix":""})", read_reset_prefix).message(),
            "prefix must not be empty: that would be every limit and every key.");
  EXPECT_EQ(Reading(R"({"key":"k"})", read_reset_prefix).message(), "key is not a field of this request.");
}

TEST(CheckAllRequest, NamesTheItemThatIsWrong) {
  for (const auto& [body, message] : std::initializer_list<Refusal>{
           {"{}", "items is missing."},
           {R"({"items":{}})", "items must be an array, not an object."},
           {R"({"items":[]})", "items must contain 1 to 128 keys, not 0."},
           {R"({"items":["a",1]})",
            "items[1] must be an object, a key or an array of a key and a cost, not an integer."},
           {R"({"items":["a",""]})", "items[1] must be 1 to 512 bytes, not 0."},
           {R"({"items":[["a"],["\u0007"]]})", "items[1][0] must not contain control characters"},
           {R"({"items":[[]]})", "items[0] must contain a key and at most one cost, not 0 values."},
           {R"({"items":[["a",1,2]]})", "items[0] must contain a key and at most one cost, not 3 values."},
           {R"({"items":[[1,"a"]]})", "items[0][0] must be a string, not an integer."},
           {R"({"items":["a","b","c",{"key":"d","cost":1.5}]})", "items[3].cost must be an integer from 1 to"},
           {R"({"items":[["a",0]]})", "items[0][1] must be an integer from 1 to 1099511627776, not 0."},
           {R"({"items":[{"key":" "}]})", "items[0].key must not be blank"},
           {R"({"items":[{"cost":1}]})", "items[0].key is missing."},
           {R"({"items":[{"key":"a","key":"b"}]})", "items[0].key appears more than once."},
           {R"({"items":[{"key":"a","more":1}]})", "items[0].more is not a field of this request."},
           {R"({"items":["a"],"all":true})", "all is not a field of this request."}}) {
    EXPECT_THAT(Reading(body, read_check_all).message(), StartsWith(message)) << body;
  }
  std::string many = R"({"items":["k0")";
  for (int i = 1; i < 129; ++i) many += ",\"k" + std::to_string(i) + '"';
  EXPECT_EQ(Reading(many + "]}", read_check_all).message(), "items must contain 1 to 128 keys, not 129.");
}

TEST(LimitRequest, TakesSeveralWindows) {
  using std::chrono::hours;
  using std::chrono::seconds;
  const Limit limit{10, seconds(1), Algorithm::kTokenBucket, 20, {{1000, hours(1), Algorithm::kFixedWindowCounter}}};
  const char* windows =
      R"([{"rate":10,"per":"1s","burst":20},{"rate":1000,"per":3600,"algorithm":"fixed_window_counter"}])";
  const Reading array(std::string(R"({"key":"k","windows":)") + windows + "}", read_limit);
  ASSERT_TRUE(array->ok()) << array.message();
  EXPECT_EQ((**array).limit, limit);
  const Reading text(R"({"key":"k","limit":"10/s burst 20, 1000/h fixed_window_counter"})", read_limit);
  ASSERT_TRUE(text->ok()) << text.message();
  EXPECT_EQ((**text).limit, limit);
  const Reading carried(std::string(R"({"key":"k","limit":{"windows":)") + windows + "}}", read_check);
  ASSERT_TRUE(carried->ok()) << carried.message();
  EXPECT_EQ((**carried).limit, limit);
  EXPECT_EQ(Reading(R"({"key":"k","limit":{"windows":[{"rate":1,"per":"1s"}],"rate":1}})", read_check).message(),
            "limit.windows takes the place of rate, per, algorithm and burst: leave out rate, or windows.");
  EXPECT_EQ(Reading(R"({"key":"k","windows":[{"rate":1,"per":"1s"},{"rate":1,"per":"x"}]})", read_limit)
                .message()
                .substr(0, 14),
            "windows[1].per");
}

TEST(LimitRequest, TakesAPeriodAsTextOrInSeconds) {
  using std::chrono::minutes;
  const Reading text(R"({"key":"k","rate":10,"per":"1m","burst":20})", read_limit);
  ASSERT_TRUE(text->ok()) << text.message();
  EXPECT_EQ((**text).limit, (Limit{10, minutes(1), Algorithm::kTokenBucket, 20}));
  const Reading seconds(R"({"key":"k","rate":10,"per":60,"algorithm":"sliding_window_log"})", read_limit);
  ASSERT_TRUE(seconds->ok()) << seconds.message();
  EXPECT_EQ((**seconds).limit, (Limit{10, minutes(1), Algorithm::kSlidingWindowLog, std::nullopt}));
}

TEST(LimitRequest, TakesWholeNumbersHoweverTheyAreWritten) {
  const Reading reading(R"({"key":"k","rate":1e1,"per":6.0e1,"burst":20.0})", read_limit);
  ASSERT_TRUE(reading->ok()) << reading.message();
  EXPECT_EQ((**reading).limit, (Limit{10, std::chrono::minutes(1), Algorithm::kTokenBucket, 20}));
}

TEST(LimitRequest, APeriodOfTooManySecondsWasRefusedAsAnIntegerOfSecondsNotAnInteger) {
  for (const std::string number : {"18446744073709551616", "-1", "0.5", "15e-1"}) {
    const Reading reading(R"({"key":"k","rate":1,"per":)" + number + "}", read_limit);
    EXPECT_THAT(reading.message(), StartsWith("per must be an integer and a unit"));
    EXPECT_THAT(reading.message(), HasSubstr("1ms to 366d, not \"" + number + "\"."));
  }
}

TEST(LimitRequest, RefusesWhatItIsNotByTheFieldsName) {
  for (const auto& [body, message] : std::initializer_list<Refusal>{
           {R"({"rate":1,"per":"1s"})", "key is missing."},
           {R"({"key":"k","per":"1s"})", "rate is missing."},
           {R"({"key":"k","rate":1})", "per is missing."},
           {R"({"key":"k","rate":0,"per":"1s"})", "rate must be an integer from 1 to"},
           {R"({"key":"k","rate":1.5,"per":"1s"})", "rate must be an integer from 1 to"},
           {R"({"key":"k","rate":1,"per":"1 s"})", "per must be"},
           {R"({"key":"k","rate":1,"per":"367d"})", "per must be"},
           {R"({"key":"k","rate":1,"per":0})", "per must be"},
           {R"({"key":"k","rate":1,"per":null})",
            "per must be a duration such as \"1m\" or an integer of seconds, not"},
           {R"({"key":"k","rate":1,"per":"1s","algorithm":"gcra"})", "algorithm must be token_bucket,"},
           {R"({"key":"k","rate":1,"per":"1s","algorithm":1})", "algorithm must be a string, not an integer."},
           {R"({"key":"k","rate":1,"per":"1s","burst":null})", "burst must be an integer from 1 to"},
           {R"({"key":"k","rate":1,"per":"1s","window":1})", "window is not a field of this request."}}) {
    EXPECT_THAT(Reading(body, read_limit).message(), StartsWith(message)) << body;
  }
}

TEST(ResetRequest, HasAKeyOnly) {
  const Reading reading(R"({"key":"k"})", read_reset);
  ASSERT_TRUE(reading->ok());
  EXPECT_EQ(**reading, "k");
  EXPECT_EQ(Reading(R"({"key":"k","cost":1})", read_reset).message(), "cost is not a field of this request.");
}

}  // namespace
}  // namespace flint::api
