#include "limiter/event_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <numeric>

#include "testing/choices.h"
#include "testing/seed.h"

namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::hex;
using testing::Random;

constexpr std::size_t kRecordHeaderBytes = 20;

constexpr Moment kAt{.time = Time(Nanos(1'795'458'122'123'456'789)),
                     .wall = WallTime(Nanos(1'795'458'122'123'456'789))};

using Payload = std::vector<std::byte>;

/// One after the other, as EventWriter wants them.
Payload encode(const LogEvent& event) {
  EventWriter writer(event.type, event.at);
  if (event.request) writer.once(*event.request);
  for (const KeyEvent& item : event.items) {
    if (event.type == EventType::kConfigured) writer.configured(item, event.key, event.limit, event.mode);
    if (event.type == EventType::kModeChanged) writer.mode_changed(item, event.limit, event.mode);
    if (event.type == EventType::kAllowed) writer.allowed(item);
    if (event.type == EventType::kReset) writer.reset(item);
    if (event.type == EventType::kDenied || event.type == EventType::kWouldDeny) writer.denied(item);
  }
  if (event.type == EventType::kClock) writer.clock(event.boot);
  return {writer.written().begin(), writer.written().end()};
}

bool decode(EventType type, std::span<const std::byte> payload, LogEvent& event) {
  return decode_event({.kind = static_cast<storage::RecordKind>(type), .seq = 1, .payload = payload}, event);
}

/// From memory of exactly that size, so that a sanitizer sees a read beyond it.
bool decodes(EventType type, const Payload& payload) {
  const auto exact = std::make_unique<std::byte[]>(payload.size());
  std::copy(payload.begin(), payload.end(), exact.get());
  LogEvent event;
  return decode(type, {exact.get(), payload.size()}, event);
}

Payload joined(std::initializer_list<Payload> parts) {
  Payload all;
  for (const Payload& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}
Payload varint(std::uint64_t value) {
  std::array<std::byte, base::kMaxVarintBytes> buffer;
  base::Writer out(buffer);
  out.varint(value);
  return {out.written().begin(), out.written().end()};
}
Payload moment(std::int64_t time, std::int64_t offset_ms = 0) {
  Payload fixed(8);
  base::store_fixed(fixed.data(), time);
  return joined({fixed, varint(base::zigzag(offset_ms))});
}
Payload text(std::string_view value) {
  Payload bytes = varint(value.size());
  for (const char c : value) bytes.push_back(static_cast<std::byte>(c));
  return bytes;
}
Payload head(std::uint64_t id, Algorithm algorithm = Algorithm::kTokenBucket, bool denials = false) {
  return varint(id << 3 | (denials ? 4U : 0U) | static_cast<unsigned>(algorithm));
}

KeyEvent token_bucket_item() {
  return {.id = 5, .cost = 2, .denials = {}, .after = {Algorithm::kTokenBucket, 30, 1000}};
}

TEST(EventCodec, GoldenAllowedTokenBucket) {
  EXPECT_EQ(
      hex(encode({.type = EventType::kAllowed, .at = kAt, .items = {token_bucket_item()}, .key = {}, .limit = {}})),
      "1531423aa6bfea18"  // the limiter's time
      "00"                // the wall clock is not away from it
      "29"                // id 5, no denials, token_bucket
      "02"                // cost
      "1e"                // used
      "e807");            // fraction
}

TEST(EventCodec, GoldenAllowedSeveralWithDenials) {
  const LogEvent event{
      .type = EventType::kAllowed,
      .at = {kAt.time, kAt.wall - 3s},
      .items = {{.id = 300,
                 .cost = 1,
                 .denials = {.count = 7, .cost = 200, .last = kAt.wall - 3s - 1us},
                 .after = {Algorithm::kSlidingWindowLog, 10, 0}},
                {.id = 0, .cost = 128, .denials = {}, .after = {Algorithm::kFixedWindowCounter, 1'000'000, 128}}},
      .key = {},
      .limit = {}};
  EXPECT_EQ(hex(encode(event)),
            "1531423aa6bfea18"
            "ef2e"          // 3,000 ms behind
            "e612"          // id 300, denials, sliding_window_log
            "07c801cf0f"    // 7 denials of 200 units, the last one 1,000 ns before
            "010a00"        // cost, spent, the runs stay
            "03"            // id 0, no denials, fixed_window_counter
            "8001"          // cost
            "c0843d8001");  // age of the window, count
}

TEST(EventCodec, GoldenAllowedSlidingCounter) {
  const LogEvent event{
      .type = EventType::kAllowed,
      .at = kAt,
      .items = {{.id = 5, .cost = 2, .denials = {}, .after = {Algorithm::kSlidingWindowCounter, 1'000'000, 128, 7}}},
      .key = {},
      .limit = {}};
  EXPECT_EQ(hex(encode(event)),
            "1531423aa6bfea18"
            "00"
            "2804"            // id 5, no denials, an algorithm that 0.1.0 did not know: sliding_window_counter
            "02"              // cost
            "c0843d800107");  // age of the window, count, count of the window before
}

TEST(EventCodec, GoldenConfigured) {
  const LogEvent event{.type = EventType::kConfigured,
                       .at = kAt,
                       .items = {{.id = 1, .cost = 0, .denials = {}, .after = {Algorithm::kTokenBucket, 0, 0}}},
                       .key = "api:user-42",
                       .limit = {.rate = 100, .per = 60s, .algorithm = Algorithm::kTokenBucket, .burst = 150}};
  EXPECT_EQ(hex(encode(event)),
            "1531423aa6bfea18"
            "00"
            "09"                        // id 1, no denials, token_bucket
            "0b6170693a757365722d3432"  // the key
            "64"                        // rate
            "e0d403"                    // per, in ms
            "9601"                      // burst
            "0000");                    // used, fraction
}

algorithm::RecordedWindows two_windows() {
  algorithm::RecordedWindows windows{.count = 2, .states = {}, .sources = {}};
  windows.states[0] = {Algorithm::kTokenBucket, 30, 1000};
  windows.states[1] = {Algorithm::kSlidingWindowLog, 10, 0};
  return windows;
}

TEST(EventCodec, GoldenAllowedBySeveralWindows) {
  const algorithm::RecordedWindows windows = two_windows();
  const LogEvent event{.type = EventType::kAllowed,
                       .at = kAt,
                       .items = {{.id = 5, .cost = 2, .denials = {}, .after = {.windows = &windows}}},
                       .key = {},
                       .limit = {}};
  const Payload payload = encode(event);
  EXPECT_EQ(hex(payload),
            "1531423aa6bfea18"
            "00"
            "2882"      // id 5, no denials, 2 windows
            "02"        // cost
            "011ee807"  // token_bucket: used, fraction
            "020a00");  // sliding_window_log: spent, the runs stay
  LogEvent decoded;
  ASSERT_TRUE(decode(EventType::kAllowed, payload, decoded));
  EXPECT_EQ(decoded.items.front().after, event.items.front().after);
}

TEST(EventCodec, GoldenConfiguredWithSeveralWindows) {
  algorithm::RecordedWindows windows = two_windows();
  windows.sources[1] = 1;
  const LogEvent event{.type = EventType::kConfigured,
                       .at = kAt,
                       .items = {{.id = 1, .cost = 0, .denials = {}, .after = {.windows = &windows}}},
                       .key = "k",
                       .limit = {.rate = 100,
                                 .per = 60s,
                                 .burst = 150,
                                 .further = {{.rate = 9, .per = 1s, .algorithm = Algorithm::kSlidingWindowLog}}}};
  const Payload payload = encode(event);
  EXPECT_EQ(hex(payload),
            "1531423aa6bfea18"
            "00"
            "0882"            // id 1, no denials, 2 windows
            "016b"            // the key
            "0164e0d4039601"  // token_bucket: rate, per in ms, burst
            "0209e80700"      // sliding_window_log
            "011ee807"        // token_bucket: used, fraction
            "120a00");        // sliding_window_log, whose runs are those of window 0 before: units, the runs stay
  LogEvent decoded;
  ASSERT_TRUE(decode(EventType::kConfigured, payload, decoded));
  EXPECT_EQ(decoded.items.front().after, event.items.front().after);
  EXPECT_EQ(decoded.limit, event.limit);
}

TEST(EventCodec, RefusesWindowsThatNoLimiterWrites) {
  const auto allowed = [](std::uint8_t form, const Payload& states) {
    return decodes(EventType::kAllowed, joined({moment(1), varint(5 << 3), {std::byte{form}}, varint(2), states}));
  };
  const Payload bucket = joined({varint(1), varint(30), varint(7)});
  EXPECT_TRUE(allowed(0x82, joined({bucket, bucket})));
  EXPECT_FALSE(allowed(0x81, bucket)) << "one window has the form of one";
  EXPECT_FALSE(allowed(0x80, {}));
  EXPECT_FALSE(allowed(0x89, joined({bucket, bucket, bucket, bucket, bucket, bucket, bucket, bucket, bucket})));
  EXPECT_FALSE(allowed(0x83, joined({bucket, bucket})));
  EXPECT_FALSE(allowed(0x82, joined({bucket, varint(0x91), varint(30), varint(7)}))) << "a source beyond the windows";
  const auto of_type = [&](EventType type) {
    return decodes(type, joined({moment(1), varint(5 << 3), {std::byte{0x82}}, bucket, bucket}));
  };
  EXPECT_FALSE(of_type(EventType::kReset));
  EXPECT_FALSE(of_type(EventType::kDenied));
  const auto configured = [&](const Payload& windows) {
    return decodes(EventType::kConfigured,
                   joined({moment(1), varint(5 << 3), {std::byte{0x82}}, text("k"), windows, bucket, bucket}));
  };
  const Payload minute = joined({varint(1), varint(9), varint(60'000), varint(0)});
  const Payload second = joined({varint(1), varint(9), varint(1'000), varint(0)});
  EXPECT_TRUE(configured(joined({minute, second})));
  EXPECT_FALSE(configured(joined({minute, minute}))) << "a period twice";
}

TEST(EventCodec, GoldenResetDeniedAndTime) {
  const KeyEvent reset{.id = 2, .cost = 0, .denials = {}, .after = {.algorithm = Algorithm::kFixedWindowCounter}};
  EXPECT_EQ(hex(encode({.type = EventType::kReset, .at = kAt, .items = {reset}, .key = {}, .limit = {}})),
            "1531423aa6bfea180013");
  const KeyEvent denied{.id = 2,
                        .cost = 0,
                        .denials = {.count = 1, .cost = 1, .last = kAt.wall},
                        .after = {.algorithm = Algorithm::kSlidingWindowLog}};
  EXPECT_EQ(hex(encode({.type = EventType::kDenied, .at = kAt, .items = {denied}, .key = {}, .limit = {}})),
            "1531423aa6bfea180016010100");
  EXPECT_EQ(
      hex(encode({.type = EventType::kTime, .at = {kAt.time, kAt.wall - 1h}, .items = {}, .key = {}, .limit = {}})),
      "1531423aa6bfea18ffb9b703");
}

TEST(EventCodec, GoldenModes) {
  const Limit limit{.rate = 100, .per = 60s};
  const KeyEvent item{.id = 5, .cost = 0, .denials = {}, .after = {Algorithm::kTokenBucket, 0, 0}};
  EXPECT_EQ(hex(encode({.type = EventType::kConfigured,
                        .at = kAt,
                        .items = {item},
                        .key = "k",
                        .limit = limit,
                        .mode = Mode::kBlock})),
            "1531423aa6bfea18"
            "00"
            "29"          // id 5, no denials, token_bucket
            "016b"        // key
            "64e0d40300"  // rate, per, no burst
            "0000"        // state
            "02");        // block
  EXPECT_EQ(hex(encode({.type = EventType::kModeChanged,
                        .at = kAt,
                        .items = {item},
                        .key = {},
                        .limit = limit,
                        .mode = Mode::kShadow})),
            "1531423aa6bfea18"
            "00"
            "29"              // id 5, no denials, token_bucket
            "01"              // shadow
            "0164e0d40300");  // the limit
  const KeyEvent denied{.id = 5, .denials = {.count = 7, .cost = 200, .last = kAt.wall}, .after = item.after};
  EXPECT_EQ(hex(encode({.type = EventType::kWouldDeny, .at = kAt, .items = {denied}, .key = {}, .limit = {}})),
            "1531423aa6bfea18"
            "00"
            "2d"          // id 5, denials, token_bucket
            "07c80100");  // 7 checks of 200 units, the last one now
}

TEST(EventCodec, GoldenAllowedOnce) {
  const RememberedRequest request{.id = digest_of("order-7"),
                                  .request = digest_of("something"),
                                  .seq = 9,
                                  .at = kAt,
                                  .verdicts = {{.capacity = 100, .remaining = 70, .reset_after = 18s},
                                               {.capacity = 1, .remaining = 1, .keys_full = true, .would_deny = true}}};
  LogEvent event{.type = EventType::kAllowed,
                 .at = kAt,
                 .items = {token_bucket_item()},
                 .key = {},
                 .limit = {},
                 .request = request};
  const Payload payload = encode(event);
  EXPECT_EQ(hex(payload),
            "1531423aa6bfea18"
            "00" +
                hex(request.id) + hex(request.request) +
                "02"            // two verdicts
                "6446"          // capacity, remaining
                "80e8eda643"    // reset after
                "01"            // token_bucket
                "01010071"      // one of a new key without room, in shadow mode
                "29021ee807");  // as it is without an id
  LogEvent decoded;
  ASSERT_TRUE(decode(EventType::kAllowedOnce, payload, decoded));
  EXPECT_EQ(decoded.type, EventType::kAllowed);
  ASSERT_TRUE(decoded.request.has_value());
  EXPECT_EQ(decoded.request->id, request.id);
  EXPECT_EQ(decoded.request->request, request.request);
  EXPECT_EQ(decoded.request->verdicts, request.verdicts);
  EXPECT_EQ(decoded.items.size(), 1U);
  for (std::size_t size = 0; size < payload.size(); ++size) {
    EXPECT_FALSE(
        decodes(EventType::kAllowedOnce, {payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(size)}));
  }
  EXPECT_FALSE(decodes(EventType::kAllowed, payload)) << "it says that there is no id";
}

TEST(EventCodec, GoldenClock) {
  LogEvent event{.type = EventType::kClock, .at = kAt, .items = {}, .key = {}, .limit = {}};
  event.boot = {.boot = {std::byte{0xb0}, std::byte{0x07}}, .reading = 100h};
  EXPECT_EQ(hex(encode(event)),
            "1531423aa6bfea18"
            "00"
            "b0070000000000000000000000000000"  // the boot
            "00801e086b470100");                // the boot-time clock
}

// Later versions give these numbers their payloads; no version gives them another meaning.
TEST(EventCodec, NumbersOfLaterKindsAreReserved) {
  const std::array<std::string_view, 4> names = {"charged", "reserved", "settled", "expired"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(reserved_kind_name(static_cast<storage::RecordKind>(10 + i)), names[i]);
  }
  EXPECT_EQ(reserved_kind_name(9), "");
  EXPECT_EQ(reserved_kind_name(14), "");
}

TEST(EventCodec, ACheckOfATypicalTokenBucketTakesAtMost40BytesOfLog) {
  // The 200,000th key, a minute's period, a hundred units in use, a fraction of any size.
  const KeyEvent item{
      .id = 199'999, .cost = 1, .denials = {}, .after = {Algorithm::kTokenBucket, 100, Nanos(60s).count() - 1}};
  EXPECT_LE(encode({.type = EventType::kAllowed, .at = kAt, .items = {item}, .key = {}, .limit = {}}).size(),
            40 - kRecordHeaderBytes);
}

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
    item.after.second = random.any_up_to(~std::uint64_t{0});
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
