#include "limiter/event_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/choices.h"
#include "testing/event_payloads.h"

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
using testing::text;
using testing::varint;

constexpr std::size_t kRecordHeaderBytes = 20;

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
                "80e8888743"    // reset after
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

TEST(EventCodec, GoldenParts) {
  LogEvent event{.type = EventType::kConfigured,
                 .part = GroupPart{.begins = true, .ends = false, .from_file = true},
                 .at = kAt,
                 .items = {{.id = 7, .cost = 0, .denials = {}, .after = {Algorithm::kTokenBucket, 0, 0}}},
                 .key = "k",
                 .limit = {.rate = 100, .per = 60s}};
  EXPECT_EQ(hex(encode(event)),
            "1531423aa6bfea1800"  // the moment
            "05"                  // begins, from a file
            "01"                  // configured
            "39"                  // id and algorithm
            "016b"                // the key
            "64e0d403000000");
  event = {.type = EventType::kForgotten, .part = GroupPart{}, .at = kAt, .items = {}, .key = {}, .limit = {}};
  event.forgotten = {{.id = 7}};
  EXPECT_EQ(hex(encode(event)), "1531423aa6bfea180000081c00");
  event = {.type = EventType::kPattern,
           .part = GroupPart{.begins = false, .ends = true},
           .at = kAt,
           .items = {},
           .key = {},
           .limit = {}};
  event.pattern = {.id = 8, .name = "ip:*", .limit = {.rate = 1, .per = 1s}};
  EXPECT_EQ(hex(encode(event)),
            "1531423aa6bfea1800020920"
            "0469703a2a"
            "0000"
            "0101e80700");
}

TEST(EventCodec, APartIsOneChangeOfOneLimit) {
  const auto part = [](std::uint8_t flags, EventType type, const Payload& body) {
    return joined(
        {moment(kAt.time.time_since_epoch().count()), Payload{std::byte{flags}, static_cast<std::byte>(type)}, body});
  };
  const auto is_read = [](const Payload& payload) { return decodes(static_cast<EventType>(kPartKind), payload); };
  const Payload deleted = joined({varint(7 << 2), varint(0)});
  EXPECT_TRUE(is_read(part(0, EventType::kForgotten, deleted)));
  EXPECT_TRUE(is_read(part(7, EventType::kForgotten, deleted)));
  EXPECT_FALSE(is_read(part(8, EventType::kForgotten, deleted))) << "a flag of a later version";
  EXPECT_FALSE(is_read(part(0, EventType::kForgotten, joined({deleted, deleted}))));
  EXPECT_FALSE(is_read(part(0, EventType::kForgotten, joined({varint(7 << 2), varint(2), Payload(7)}))))
      << "not deleted";
  EXPECT_FALSE(is_read(part(0, EventType::kReset, head(1))));
  EXPECT_FALSE(is_read(part(0, EventType::kTime, {})));
  EXPECT_FALSE(is_read(part(0, static_cast<EventType>(kPartKind), {})));
  const Payload rule = joined({varint(8 << 2), text("ip:*"), varint(0), Payload{std::byte{0}}, Payload{std::byte{1}},
                               varint(1), varint(1), varint(0)});
  EXPECT_TRUE(is_read(part(3, EventType::kPattern, rule)));
  EXPECT_FALSE(is_read(part(3, EventType::kPattern, joined({rule, rule}))));
  EXPECT_FALSE(is_read(joined({moment(kAt.time.time_since_epoch().count()), Payload(1)}))) << "cut";
}

TEST(EventCodec, ACheckOfATypicalTokenBucketTakesAtMost40BytesOfLog) {
  // The 200,000th key, a minute's period, a hundred units in use, a fraction of any size.
  const KeyEvent item{
      .id = 199'999, .cost = 1, .denials = {}, .after = {Algorithm::kTokenBucket, 100, Nanos(60s).count() - 1}};
  EXPECT_LE(encode({.type = EventType::kAllowed, .at = kAt, .items = {item}, .key = {}, .limit = {}}).size(),
            40 - kRecordHeaderBytes);
}

}  // namespace
}  // namespace flint::limiter
