#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "limiter/event_codec.h"
#include "testing/choices.h"
#include "testing/event_payloads.h"
#include "testing/seed.h"

namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::decode;
using testing::decodes;
using testing::encode;
using testing::head;
using testing::hex;
using testing::joined;
using testing::kAt;
using testing::moment;
using testing::Payload;
using testing::Random;
using testing::text;
using testing::varint;

TEST(EventCodec, TheLargestEventsFit) {
  constexpr std::uint64_t kHuge = ~std::uint64_t{0};
  const Moment at{kMaxTime, WallTime{}};
  KeyEvent item{.id = ~KeyId{0},
                .cost = kMaxUnits,
                .denials = {.count = kMaxCounted, .cost = kHuge, .last = WallTime(Nanos(std::int64_t{1} << 62))},
                .after = {Algorithm::kFixedWindowCounter, kHuge, kHuge}};
  LogEvent event{.type = EventType::kAllowed, .at = at, .items = {}, .key = {}, .limit = {}};
  event.items.assign(kMaxCheckAllItems, item);
  EXPECT_TRUE(decodes(EventType::kAllowed, encode(event)));

  const std::string key(kMaxKeyBytes, 'k');
  item.after.algorithm = Algorithm::kTokenBucket;
  const LogEvent configured{.type = EventType::kConfigured,
                            .at = at,
                            .items = {item},
                            .key = key,
                            .limit = {.rate = kMaxUnits, .per = kMaxPeriod, .burst = kMaxUnits}};
  EXPECT_TRUE(decodes(EventType::kConfigured, encode(configured)));
}

std::uint64_t as_count(auto duration) { return static_cast<std::uint64_t>(duration.count()); }

Moment random_moment(Random& random) {
  const Time time(Nanos(static_cast<std::int64_t>(random.any_up_to(as_count(kMaxTime.time_since_epoch())))));
  const Nanos wall(static_cast<std::int64_t>(random.any_up_to(as_count(kMaxWallTime.time_since_epoch()))));
  const Nanos offset = wall - time.time_since_epoch();
  return {time, WallTime(time.time_since_epoch() + std::chrono::floor<std::chrono::milliseconds>(offset))};
}

KeyEvent random_item(Random& random, EventType type, const Moment& at) {
  KeyEvent item{.id = static_cast<KeyId>(random.any_up_to(~KeyId{0})),
                .cost = 0,
                .denials = {},
                .after = {.algorithm = random.any_of(kAlgorithms)}};
  if (type == EventType::kAllowed) item.cost = 1 + random.any_up_to(kMaxUnits - 1);
  if (type == EventType::kAllowed || type == EventType::kConfigured) {
    item.after.first = random.any_up_to(~std::uint64_t{0});
    const bool is_log = item.after.algorithm == Algorithm::kSlidingWindowLog;
    item.after.second = random.any_up_to(is_log ? 1 : ~std::uint64_t{0});
  }
  if (type == EventType::kDenied || random.one_in(2)) {
    item.denials.count = 1 + random.any_up_to(kMaxCounted - 1);
    item.denials.cost = random.any_up_to(~std::uint64_t{0});
    item.denials.last = std::max(at.wall - Nanos(static_cast<std::int64_t>(random.any_up_to(1U << 30))), WallTime{});
  }
  return item;
}

constexpr std::array kTypes = {EventType::kConfigured, EventType::kAllowed, EventType::kReset,
                               EventType::kDenied,     EventType::kTime,    EventType::kClock};

LogEvent random_event(Random& random, std::string_view key) {
  LogEvent event;
  event.type = random.any_of(kTypes);
  event.at = random_moment(random);
  std::size_t items = 1;
  if (event.type == EventType::kTime || event.type == EventType::kClock) items = 0;
  if (event.type == EventType::kClock) {
    for (std::byte& byte : event.boot.boot) byte = static_cast<std::byte>(random.pick(256));
    event.boot.reading = Nanos(static_cast<std::int64_t>(random.any_up_to(as_count(Nanos::max()))));
  }
  if (event.type == EventType::kAllowed || event.type == EventType::kDenied) {
    items = random.one_in(8) ? kMaxCheckAllItems : 1 + random.pick(4);
  }
  for (std::size_t i = 0; i < items; ++i) event.items.push_back(random_item(random, event.type, event.at));
  if (event.type != EventType::kConfigured) return event;
  event.key = key;
  event.limit.rate = 1 + random.any_up_to(kMaxUnits - 1);
  event.limit.per = std::chrono::milliseconds(1 + random.any_up_to(kMaxPeriod / 1ms - 1));
  event.limit.algorithm = event.items[0].after.algorithm;
  if (event.limit.algorithm == Algorithm::kTokenBucket && random.one_in(2)) {
    event.limit.burst = 1 + random.any_up_to(kMaxUnits - 1);
  }
  return event;
}

void expect_equal(const LogEvent& got, const LogEvent& wanted) {
  EXPECT_EQ(got.type, wanted.type);
  EXPECT_EQ(got.at.time, wanted.at.time);
  EXPECT_EQ(got.at.wall, wanted.at.wall);
  EXPECT_EQ(got.key, wanted.key);
  EXPECT_EQ(got.limit, wanted.limit);
  if (wanted.type == EventType::kClock) {
    EXPECT_EQ(got.boot, wanted.boot);
  }
  ASSERT_EQ(got.items.size(), wanted.items.size());
  for (std::size_t i = 0; i < wanted.items.size(); ++i) {
    EXPECT_EQ(got.items[i].id, wanted.items[i].id);
    EXPECT_EQ(got.items[i].cost, wanted.items[i].cost);
    EXPECT_EQ(got.items[i].denials, wanted.items[i].denials);
    EXPECT_EQ(got.items[i].after, wanted.items[i].after);
  }
}

TEST(EventCodec, RandomEventsComeBackAsTheyWere) {
  Random random(testing::test_seed());
  LogEvent got;
  for (int i = 0; i < 20'000; ++i) {
    const LogEvent event = random_event(random, "key");
    const Payload payload = encode(event);
    ASSERT_TRUE(decode(event.type, payload, got)) << hex(payload);
    expect_equal(got, event);
    ASSERT_FALSE(HasFailure()) << hex(payload);
  }
}

// What is accepted is exactly what is written: there is one encoding of an event, and nothing is made up.
TEST(EventCodec, WhatDecodesFromDamagedBytesEncodesToThem) {
  Random random(testing::test_seed());
  LogEvent got;
  int accepted = 0;
  for (int i = 0; i < 100'000; ++i) {
    Payload payload = encode(random_event(random, "key"));
    EventType type = random.any_of(kTypes);
    for (std::uint64_t damages = 1 + random.pick(3); damages > 0; --damages) {
      payload[random.pick(payload.size())] = static_cast<std::byte>(random.pick(256));
    }
    if (random.one_in(4)) payload.resize(random.pick(payload.size() + 4));
    const Payload exact(payload);
    if (!decode(type, exact, got)) continue;
    ++accepted;
    ASSERT_EQ(hex(encode(got)), hex(exact));
  }
  EXPECT_GT(accepted, 1000) << "the test lost its point";
}

TEST(EventCodec, APayloadThatIsCutOrContinuedIsRefused) {
  Random random(testing::test_seed());
  for (int i = 0; i < 500; ++i) {
    LogEvent event = random_event(random, "key");
    event.items.resize(std::min<std::size_t>(event.items.size(), 1));
    Payload payload = encode(event);
    for (std::size_t size = 0; size < payload.size(); ++size) {
      ASSERT_FALSE(decodes(event.type, {payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(size)}))
          << hex(payload) << " cut to " << size;
    }
    payload.push_back(std::byte{0});
    ASSERT_FALSE(decodes(event.type, payload)) << hex(payload);
  }
}

struct Malformed {
  const char* what;
  EventType type;
  Payload payload;
};

class MalformedEvent : public ::testing::TestWithParam<Malformed> {};

TEST_P(MalformedEvent, IsRefused) { EXPECT_FALSE(decodes(GetParam().type, GetParam().payload)); }

const std::int64_t kNow = kAt.time.time_since_epoch().count();
const Payload kStart = moment(kNow);
const Payload kSpent = joined({varint(1), varint(2), varint(3)});

Payload configured(std::string_view key, std::uint64_t rate, std::uint64_t per_ms, std::uint64_t burst,
                   Algorithm algorithm = Algorithm::kTokenBucket) {
  return joined(
      {kStart, head(0, algorithm), text(key), varint(rate), varint(per_ms), varint(burst), varint(0), varint(0)});
}

Payload items(std::size_t count, const Payload& item) {
  Payload payload = kStart;
  for (std::size_t i = 0; i < count; ++i) payload.insert(payload.end(), item.begin(), item.end());
  return payload;
}

TEST(EventCodec, TheHandMadePayloadsOfTheseTestsAreSoundButForWhatTheyShow) {
  EXPECT_TRUE(decodes(EventType::kAllowed, joined({kStart, head(1), kSpent})));
  EXPECT_TRUE(decodes(EventType::kAllowed, items(kMaxCheckAllItems, joined({head(1), kSpent}))));
  EXPECT_TRUE(decodes(EventType::kConfigured, configured("k", 1, 1, 0)));
  EXPECT_TRUE(decodes(EventType::kReset, joined({kStart, head(1)})));
  EXPECT_TRUE(decodes(EventType::kTime, kStart));
  EXPECT_TRUE(decodes(EventType::kDenied,
                      joined({kStart, head(1, Algorithm::kTokenBucket, true), varint(1), varint(1), varint(0)})));
}

INSTANTIATE_TEST_SUITE_P(
    All, MalformedEvent,
    ::testing::Values(
        Malformed{"kind_0", static_cast<EventType>(0), kStart}, Malformed{"kind_7", static_cast<EventType>(7), kStart},
        Malformed{"kind_of_the_store", static_cast<EventType>(0x80), kStart}, Malformed{"empty", EventType::kTime, {}},
        Malformed{"time_before_0", EventType::kTime, moment(-1)},
        Malformed{"time_after_the_end", EventType::kTime, moment(kMaxTime.time_since_epoch().count() + 1)},
        Malformed{"wall_before_0", EventType::kTime, moment(0, -2)},
        Malformed{"wall_after_the_end", EventType::kTime, moment(0, kMaxWallTime.time_since_epoch() / 1ms + 1)},
        Malformed{"offset_overflows_ns", EventType::kTime, moment(0, std::numeric_limits<std::int64_t>::max())},
        Malformed{"offset_overflows_down", EventType::kTime, moment(0, std::numeric_limits<std::int64_t>::min())},
        Malformed{"sum_overflows", EventType::kTime, moment(kMaxTime.time_since_epoch().count(), 6'900'000'000'000)},
        Malformed{"long_form_of_a_varint", EventType::kTime,
                  joined({moment(kNow), Payload{std::byte{0x80}, std::byte{0x00}}})},
        Malformed{"clock_before_the_boot", EventType::kClock, joined({kStart, Payload(23), Payload{std::byte{0x80}}})},
        Malformed{"time_with_an_item", EventType::kTime, joined({kStart, head(1)})},
        Malformed{"allowed_without_items", EventType::kAllowed, kStart},
        Malformed{"id_beyond_32_bits", EventType::kAllowed, joined({kStart, head(std::uint64_t{1} << 32), kSpent})},
        Malformed{"algorithm_0", EventType::kAllowed, joined({kStart, head(1, Algorithm{}), kSpent})},
        Malformed{"algorithm_3_as_a_later_one", EventType::kAllowed,
                  joined({kStart, varint(1 << 3), varint(3), kSpent})},
        Malformed{"algorithm_5", EventType::kAllowed, joined({kStart, varint(1 << 3), varint(5), kSpent})},
        Malformed{"reset_of_algorithm_0", EventType::kReset, joined({kStart, head(1, Algorithm{})})},
        Malformed{"cost_0", EventType::kAllowed, joined({kStart, head(1), varint(0), varint(0), varint(0)})},
        Malformed{"cost_too_high", EventType::kAllowed,
                  joined({kStart, head(1), varint(kMaxUnits + 1), varint(0), varint(0)})},
        Malformed{"too_many_items", EventType::kAllowed, items(kMaxCheckAllItems + 1, joined({head(1), kSpent}))},
        Malformed{"denials_that_are_none", EventType::kReset,
                  joined({kStart, head(1, Algorithm::kTokenBucket, true), varint(0), varint(0), varint(0)})},
        Malformed{"denied_without_denials", EventType::kDenied, joined({kStart, head(1)})},
        Malformed{"last_denial_overflows", EventType::kDenied,
                  joined({kStart, head(1, Algorithm::kTokenBucket, true), varint(1), varint(1),
                          varint(base::zigzag(std::numeric_limits<std::int64_t>::max()))})},
        Malformed{"two_resets", EventType::kReset, items(2, head(1))},
        Malformed{"two_configured", EventType::kConfigured,
                  joined({configured("k", 1, 1, 0), configured("l", 1, 1, 0)})},
        Malformed{"mode_enforce_said", EventType::kConfigured, joined({configured("k", 1, 1, 0), varint(0)})},
        Malformed{"mode_3", EventType::kConfigured, joined({configured("k", 1, 1, 0), varint(3)})},
        Malformed{"mode_twice", EventType::kConfigured, joined({configured("k", 1, 1, 0), varint(1), varint(1)})},
        Malformed{"changed_to_mode_3", EventType::kModeChanged,
                  joined({kStart, head(1), varint(3), varint(1), varint(1), varint(1), varint(0)})},
        Malformed{"changed_mode_of_no_limit", EventType::kModeChanged, joined({kStart, head(1), varint(1)})},
        Malformed{"would_deny_nothing", EventType::kWouldDeny, joined({kStart, head(1)})},
        Malformed{"rate_0", EventType::kConfigured, configured("k", 0, 1, 0)},
        Malformed{"rate_too_high", EventType::kConfigured, configured("k", kMaxUnits + 1, 1, 0)},
        Malformed{"per_0", EventType::kConfigured, configured("k", 1, 0, 0)},
        Malformed{"per_too_long", EventType::kConfigured, configured("k", 1, kMaxPeriod / 1ms + 1, 0)},
        Malformed{"per_overflows_ns", EventType::kConfigured, configured("k", 1, ~std::uint64_t{0}, 0)},
        Malformed{"burst_too_high", EventType::kConfigured, configured("k", 1, 1, kMaxUnits + 1)},
        Malformed{"burst_of_a_window", EventType::kConfigured,
                  configured("k", 1, 1, 2, Algorithm::kFixedWindowCounter)},
        Malformed{"empty_key", EventType::kConfigured, configured("", 1, 1, 0)},
        Malformed{"key_too_long", EventType::kConfigured, configured(std::string(kMaxKeyBytes + 1, 'k'), 1, 1, 0)},
        Malformed{"key_not_utf8", EventType::kConfigured, configured("\xff", 1, 1, 0)},
        Malformed{"key_longer_than_the_payload", EventType::kConfigured,
                  joined({kStart, head(0), varint(~std::uint64_t{0}), text("k")})}),
    [](const auto& test) { return test.param.what; });

}  // namespace
}  // namespace flint::limiter
