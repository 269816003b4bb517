#include "limiter/snapshot_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "base/coding.h"
#include "testing/choices.h"
#include "testing/consuming.h"
#include "testing/seed.h"

namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::hex;
using testing::Random;

constexpr Time kNow{Nanos(1'795'458'122'123'456'789)};

using Entries = std::vector<std::vector<std::byte>>;

Entries written(const EntryBuffer& buffer) {
  Entries entries;
  buffer.for_each([&](std::span<const std::byte> entry) { entries.emplace_back(entry.begin(), entry.end()); });
  return entries;
}

Entries encode(Keys& keys) {
  EntryBuffer buffer;
  buffer.add_time({.last = kNow, .ahead = {}, .anchor = {}, .anchored_at = {}});
  for (KeyId id = 0; id < keys.next_id(); ++id) {
    buffer.add_key(*keys.find(id));
  }
  return written(buffer);
}

/// From memory of exactly their size, so that a sanitizer sees a read beyond it.
bool load(const Entries& entries, Keys& keys, SnapshotTime& time) {
  Limits limits;
  Patterns patterns;
  Counters carried;
  boost::unordered_flat_set<KeyId> gone;
  RememberedRequests requests;
  Holds holds;
  return std::all_of(entries.begin(), entries.end(), [&](const std::vector<std::byte>& entry) {
    const auto exact = std::make_unique<std::byte[]>(entry.size());
    std::copy(entry.begin(), entry.end(), exact.get());
    return load_entry({exact.get(), entry.size()}, {limits, keys, patterns, carried, time, gone, requests, holds});
  });
}
bool loads(const Entries& entries) {
  Keys keys;
  SnapshotTime time;
  return load(entries, keys, time);
}

void expect_equal(const KeyEntry& got, const KeyEntry& wanted) {
  EXPECT_EQ(got.id, wanted.id);
  EXPECT_EQ(got.key.view(), wanted.key.view());
  EXPECT_EQ(got.limit(), wanted.limit());
  EXPECT_TRUE(got.usage.state == wanted.usage.state) << "state of " << wanted.key.view();
  EXPECT_EQ(got.counters(), wanted.counters());
  EXPECT_EQ(got.last_seq, wanted.last_seq);
  EXPECT_EQ(got.from_file, wanted.from_file);
  EXPECT_EQ(got.pending_at, 0U) << "denials that no record holds are not in a snapshot";
}

void expect_round_trip(Keys& keys) {
  Keys got;
  SnapshotTime time;
  ASSERT_TRUE(load(encode(keys), got, time));
  EXPECT_EQ(time.at_position.last, kNow);
  ASSERT_EQ(got.size(), keys.size());
  for (KeyId id = 0; id < keys.next_id(); ++id) expect_equal(*got.find(id), *keys.find(id));
}

KeyEntry& add(Keys& keys, std::string_view key, const Limit& limit, Time now = kNow) {
  KeyEntry& entry = keys.add(key);
  entry.usage.rule = Limits().rule(limit);
  entry.usage.state = algorithm::fresh(limit, now);
  return entry;
}

KeyEntry& add_sliding_log(Keys& keys, std::string_view key, std::uint64_t runs) {
  KeyEntry& entry =
      add(keys, key, {.rate = kMaxUnits, .per = 1h, .algorithm = Algorithm::kSlidingWindowLog, .burst = {}});
  for (std::uint64_t i = 0; i < runs; ++i) {
    testing::consume(entry.usage.state, entry.limit(), 1 + i % 300, kNow - 30min + i * 7us);
  }
  return entry;
}

TEST(SnapshotCodec, AnEmptyTableIsAnEntryOfItsTime) {
  Keys keys;
  const Entries entries = encode(keys);
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(hex(entries[0]), "011531423aa6bfea18");
  expect_round_trip(keys);
}

TEST(SnapshotCodec, GoldenClock) {
  const PersistedTime time{.last = kNow,
                           .ahead = 1h,
                           .anchor = {.boot = {std::byte{0xb0}, std::byte{0x07}}, .reading = 100h},
                           .anchored_at = kNow - 1s};
  EntryBuffer buffer;
  buffer.add_time(time);
  const Entries entries = written(buffer);
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(hex(entries[1]),
            "04"                                // clock
            "80c0e285e368"                      // an hour ahead
            "1567a7fea5bfea18"                  // the limiter's time at the reading
            "b0070000000000000000000000000000"  // the boot
            "00801e086b470100");                // the boot-time clock
  Keys keys;
  SnapshotTime got;
  ASSERT_TRUE(load(entries, keys, got));
  EXPECT_EQ(got.at_position.ahead, time.ahead);
  EXPECT_EQ(got.at_position.anchor, time.anchor);
  EXPECT_EQ(got.at_position.anchored_at, time.anchored_at);
  for (std::size_t size = 0; size < entries[1].size(); ++size) {
    Entries cut = entries;
    cut[1].resize(size);
    EXPECT_FALSE(loads(cut)) << size;
  }
}

TEST(SnapshotCodec, GoldenTokenBucket) {
  Keys keys;
  KeyEntry& entry = add(keys, "k", {.rate = 100, .per = 60s, .burst = 150});
  entry.last_seq = 300;
  entry.usage.state = algorithm::TokenBucket{kNow, 30, 1000};
  entry.set_counters({.allowed = 1,
                      .allowed_cost = 30,
                      .denied = 2,
                      .denied_cost = 400,
                      .last_allowed_at = WallTime(kNow.time_since_epoch()),
                      .last_denied_at = std::nullopt,
                      .last_reset_at = WallTime(1s)});
  EXPECT_EQ(hex(encode(keys)[1]),
            "02"                // a key
            "00ac02016b"        // its id, last sequence number, name
            "0164e0d4039601"    // algorithm, rate, per in ms, burst
            "011e029003"        // allowed, their cost, denied, their cost
            "05"                // allowed and reset at some time
            "1531423aa6bfea18"  // when allowed
            "00ca9a3b00000000"  // when reset
            "1531423aa6bfea181ee807");
}

TEST(SnapshotCodec, AModeAndWhatAShadowWouldHaveDeniedComeBack) {
  Keys keys;
  Limits limits;
  KeyEntry& shadow = add(keys, "shadow", {.rate = 100, .per = 60s});
  shadow.usage.rule = limits.rule(shadow.limit(), Mode::kShadow);
  shadow.add_would_deny({.count = 300});
  add(keys, "block", {.rate = 100, .per = 60s}).usage.rule = limits.rule({.rate = 100, .per = 60s}, Mode::kBlock);
  expect_round_trip(keys);
  Keys got;
  SnapshotTime time;
  ASSERT_TRUE(load(encode(keys), got, time));
  EXPECT_EQ(got.find("shadow")->usage.rule.mode(), Mode::kShadow);
  EXPECT_EQ(got.find("block")->usage.rule.mode(), Mode::kBlock);
  for (const int mode : {0, 3}) {
    Entries entries = encode(keys);
    entries.back().back() = static_cast<std::byte>(mode);
    EXPECT_FALSE(loads(entries)) << mode;
  }
}

TEST(SnapshotCodec, GoldenFixedWindow) {
  Keys keys;
  KeyEntry& entry = add(keys, "k", {.rate = 5, .per = 1s, .algorithm = Algorithm::kFixedWindowCounter, .burst = {}});
  entry.usage.state = algorithm::FixedWindow{kNow, 128};
  EXPECT_EQ(hex(encode(keys)[1]), "020000016b0305e8070000000000001531423aa6bfea188001");
}

TEST(SnapshotCodec, GoldenSlidingLog) {
  Keys keys;
  KeyEntry& entry = add(keys, "k", {.rate = 500, .per = 1s, .algorithm = Algorithm::kSlidingWindowLog, .burst = {}});
  testing::consume(entry.usage.state, entry.limit(), 1, kNow);
  testing::consume(entry.usage.state, entry.limit(), 200, kNow + 300ns);
  const Entries entries = encode(keys);
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(hex(entries[1]), "020000016b02f403e807000000000000");
  EXPECT_EQ(hex(entries[2]), "03001531423aa6bfea1801ac02c801");
}

TEST(SnapshotCodec, GoldenSeveralWindows) {
  Keys keys;
  Limit limit{.rate = 10, .per = 1s};
  limit.further = {{.rate = 5, .per = 60s, .algorithm = Algorithm::kSlidingWindowLog}};
  KeyEntry& entry = add(keys, "w", limit);
  algorithm::WindowSpace space;
  const algorithm::Outcome allowed = algorithm::decide(entry.usage.state, limit, 3, kNow, space);
  algorithm::consume(entry.usage.state, limit, 3, kNow, allowed);
  const Entries entries = encode(keys);
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(hex(entries[1]),
            "02000001"
            "77"                      // the key
            "82"                      // 2 windows
            "010ae80700"              // token_bucket: rate, per in ms, burst
            "0205e0d40300"            // sliding_window_log
            "0000000000"              // counters
            "1531423aa6bfea180300");  // token_bucket: refilled until, used, fraction
  EXPECT_EQ(hex(entries[2]),
            "0700"                  // runs of the key with id 0
            "04"                    // usage 0, window 1
            "1531423aa6bfea1803");  // time, units
  expect_round_trip(keys);
}

TEST(SnapshotCodec, RunsOfAWindowThatIsNotThereAreRefused) {
  Keys keys;
  Limit limit{.rate = 10, .per = 1s};
  limit.further = {{.rate = 5, .per = 60s, .algorithm = Algorithm::kSlidingWindowLog}};
  add(keys, "w", limit);
  Entries entries = encode(keys);
  const auto with_runs = [&](std::initializer_list<int> head) {
    std::vector<std::byte> runs;
    for (const int byte : head) runs.push_back(static_cast<std::byte>(byte));
    runs.resize(runs.size() + 8);
    base::store_fixed(runs.data() + head.size(), kNow.time_since_epoch().count());
    runs.push_back(std::byte{3});
    Entries all = entries;
    all.push_back(runs);
    return loads(all);
  };
  EXPECT_TRUE(with_runs({7, 0, 4}));
  EXPECT_FALSE(with_runs({7, 0, 0})) << "a window without runs";
  EXPECT_FALSE(with_runs({7, 0, 8})) << "a window too many";
  EXPECT_FALSE(with_runs({7, 0, 5})) << "a usage too many";
  EXPECT_FALSE(with_runs({3, 0})) << "the form of one window";
}

TEST(SnapshotCodec, EveryAlgorithmComesBackAsItWas) {
  Keys keys;
  add(keys, "bucket", {.rate = 10, .per = 1s, .burst = 3}).usage.state = algorithm::TokenBucket{kNow, 2, 999'999'999};
  add(keys, "window", {.rate = 10, .per = 1s, .algorithm = Algorithm::kFixedWindowCounter, .burst = {}}).usage.state =
      algorithm::FixedWindow{kNow - 1s, 4};
  add_sliding_log(keys, "log", 3);
  add_sliding_log(keys, "empty log", 0);
  add(keys, std::string(kMaxKeyBytes, 'k'), {.rate = kMaxUnits, .per = kMaxPeriod, .burst = kMaxUnits})
      .set_counters({.allowed = kMaxCounted,
                     .allowed_cost = ~std::uint64_t{0},
                     .denied = kMaxCounted,
                     .denied_cost = ~std::uint64_t{0},
                     .last_allowed_at = kMaxWallTime,
                     .last_denied_at = WallTime{} - 1ms,
                     .last_reset_at = WallTime{}});
  keys.find(KeyId{4})->last_seq = ~std::uint64_t{0};
  expect_round_trip(keys);
}

TEST(SnapshotCodec, ALongSlidingLogIsSpreadOverEntriesOfBoundedSize) {
  for (const std::uint64_t runs : {1'023U, 1'024U, 1'025U, 5'000U}) {
    Keys keys;
    add_sliding_log(keys, "log", runs);
    add_sliding_log(keys, "after it", 1);
    const Entries entries = encode(keys);
    for (const auto& entry : entries) EXPECT_LE(entry.size(), kMaxEntryBytes);
    EXPECT_EQ(entries.size(), 3 + (runs + 1'023) / 1'024 + 1);
    expect_round_trip(keys);
  }
}

TEST(SnapshotCodec, TheLongestRunsFitIntoAnEntry) {
  Keys keys;
  KeyEntry& entry =
      add(keys, "log", {.rate = kMaxUnits, .per = kMaxPeriod, .algorithm = Algorithm::kSlidingWindowLog, .burst = {}});
  const Nanos gap = kMaxPeriod / 1'100;
  for (int i = 0; i < 1'024; ++i) {
    testing::consume(entry.usage.state, entry.limit(), kMaxUnits / 1'024, kMaxTime - kMaxPeriod + i * gap);
  }
  expect_round_trip(keys);
}

TEST(SnapshotCodec, RunsThatExpiredAreNotWritten) {
  Keys keys;
  KeyEntry& entry = add_sliding_log(keys, "log", 100);
  testing::consume(entry.usage.state, entry.limit(), 1, kNow + 2h);
  ASSERT_EQ(encode(keys).size(), 3U);
  EXPECT_LT(encode(keys)[2].size(), 20U);
  expect_round_trip(keys);
}

TEST(SnapshotCodec, TellsTheLatestTimeOfItsKeys) {
  Keys keys;
  add(keys, "early", {.rate = 1, .per = 1s}, kNow - 1s);
  add(keys, "late", {.rate = 1, .per = 1s}, kNow + 1s);
  add(keys, "window", {.rate = 1, .per = 1s, .algorithm = Algorithm::kFixedWindowCounter, .burst = {}}, kNow + 2s);
  KeyEntry& log =
      add(keys, "log", {.rate = 2, .per = 1s, .algorithm = Algorithm::kSlidingWindowLog, .burst = {}}, kNow);
  for (const Nanos newest : {Nanos(2s), Nanos(3s)}) {
    Keys got;
    SnapshotTime time;
    ASSERT_TRUE(load(encode(keys), got, time));
    EXPECT_EQ(time.at_position.last, kNow);
    EXPECT_EQ(time.newest, kNow + newest);
    testing::consume(log.usage.state, log.limit(), 1, kNow + 3s);
  }
}

using Bytes = std::vector<std::byte>;

template <typename Write>
Bytes entry(EntryType type, const Write& write) {
  std::array<std::byte, kMaxEntryBytes> buffer;
  base::Writer out(buffer);
  out.fixed(static_cast<std::uint8_t>(type));
  write(out);
  return {out.written().begin(), out.written().end()};
}

struct KeyFields {
  std::uint64_t id = 0;
  std::string_view key = "k";
  std::uint8_t algorithm = 1;
  std::uint64_t rate = 10;
  std::uint64_t per_ms = 1000;
  std::uint64_t burst = 0;
  std::uint64_t counted = 0;
  std::uint8_t times = 0;
  std::int64_t last_allowed_at = 0;
  std::int64_t updated_at = kNow.time_since_epoch().count();
  std::uint64_t used = 1;
  std::uint64_t fraction = 0;
};

Bytes key_entry(const KeyFields& fields) {
  return entry(EntryType::kKey, [&](base::Writer& out) {
    out.varint(fields.id);
    out.varint(7);
    out.text(fields.key);
    out.fixed(fields.algorithm);
    out.varint(fields.rate);
    out.varint(fields.per_ms);
    out.varint(fields.burst);
    for (int i = 0; i < 4; ++i) out.varint(fields.counted);
    out.fixed(fields.times);
    if (fields.times == 1) out.fixed(fields.last_allowed_at);
    if (fields.algorithm == 2) return;
    out.fixed(fields.updated_at);
    out.varint(fields.used);
    if (fields.algorithm == 1) out.varint(fields.fraction);
  });
}

Bytes runs_entry(std::uint64_t id, std::int64_t time, std::initializer_list<std::uint64_t> costs_and_gaps) {
  return entry(EntryType::kRuns, [&](base::Writer& out) {
    out.varint(id);
    out.fixed(time);
    for (const std::uint64_t number : costs_and_gaps) out.varint(number);
  });
}

Bytes meta_entry(std::int64_t time) {
  return entry(EntryType::kMeta, [&](base::Writer& out) { out.fixed(time); });
}

Bytes continued(Bytes bytes) {
  bytes.push_back(std::byte{0});
  return bytes;
}

const std::int64_t kCount = kNow.time_since_epoch().count();
const Bytes kLogKey = key_entry({.algorithm = 2});

// A directory made by hand had counters that the next check wrapped around, and times that no clock shows.
TEST(SnapshotCodec, CountersAndWallTimesThatNoLimiterHasAreRefused) {
  EXPECT_TRUE(loads({key_entry({.counted = kMaxCounted})}));
  EXPECT_FALSE(loads({key_entry({.counted = kMaxCounted + 1})}));
  EXPECT_FALSE(loads({key_entry({.counted = UINT64_MAX})}));
  EXPECT_TRUE(loads({key_entry({.times = 1, .last_allowed_at = kMaxWallTime.time_since_epoch().count()})}));
  EXPECT_FALSE(loads({key_entry({.times = 1, .last_allowed_at = kMaxWallTime.time_since_epoch().count() + 1})}));
  EXPECT_FALSE(loads({key_entry({.times = 1, .last_allowed_at = INT64_MIN})}));
}

TEST(SnapshotCodec, TheHandMadeEntriesOfTheseTestsAreSoundButForWhatTheyShow) {
  EXPECT_TRUE(loads({meta_entry(kCount), key_entry({})}));
  EXPECT_TRUE(loads({key_entry({.algorithm = 3}), key_entry({.id = 1, .key = "l"})}));
  EXPECT_TRUE(loads({kLogKey, runs_entry(0, kCount, {1, 5, 1}), runs_entry(0, kCount + 6, {1})}));
}

struct Malformed {
  const char* what;
  Entries entries;
};
class MalformedSnapshot : public ::testing::TestWithParam<Malformed> {};

TEST_P(MalformedSnapshot, IsRefused) { EXPECT_FALSE(loads(GetParam().entries)); }

INSTANTIATE_TEST_SUITE_P(
    All, MalformedSnapshot,
    ::testing::Values(
        Malformed{"empty", {Bytes{}}}, Malformed{"unknown_type", {Bytes{std::byte{4}}}},
        Malformed{"meta_before_0", {meta_entry(-1)}}, Malformed{"meta_after_the_end", {meta_entry(INT64_MAX)}},
        Malformed{"meta_continued", {continued(meta_entry(kCount))}},
        Malformed{"meta_after_a_key", {key_entry({}), meta_entry(kCount)}},
        Malformed{"key_continued", {continued(key_entry({}))}}, Malformed{"log_key_continued", {continued(kLogKey)}},
        Malformed{"id_out_of_order", {key_entry({.id = 1}), key_entry({.id = 0, .key = "l"})}},
        Malformed{"id_beyond_32_bits", {key_entry({.id = std::uint64_t{1} << 32})}},
        Malformed{"key_twice", {key_entry({}), key_entry({.id = 1})}},
        Malformed{"id_beyond_the_most", {key_entry({.id = kMaxKeys})}},
        Malformed{"key_empty", {key_entry({.key = ""})}}, Malformed{"key_not_utf8", {key_entry({.key = "\xff"})}},
        Malformed{"algorithm_0", {key_entry({.algorithm = 0})}},
        Malformed{"algorithm_4", {key_entry({.algorithm = 4})}}, Malformed{"rate_0", {key_entry({.rate = 0})}},
        Malformed{"per_0", {key_entry({.per_ms = 0})}},
        Malformed{"per_overflows_ns", {key_entry({.per_ms = ~std::uint64_t{0}})}},
        Malformed{"burst_too_high", {key_entry({.burst = kMaxUnits + 1})}},
        Malformed{"burst_of_a_window", {key_entry({.algorithm = 3, .burst = 2})}},
        Malformed{"unknown_time", {key_entry({.times = 8})}},
        Malformed{"time_that_is_not_there", {key_entry({.algorithm = 2, .times = 2})}},
        Malformed{"updated_before_0", {key_entry({.updated_at = -1})}},
        Malformed{"updated_after_the_end", {key_entry({.updated_at = INT64_MAX})}},
        Malformed{"window_after_the_end", {key_entry({.algorithm = 3, .updated_at = INT64_MAX})}},
        Malformed{"used_too_high", {key_entry({.used = kMaxUnits + 1})}},
        Malformed{"fraction_too_high", {key_entry({.fraction = 1'000'000'000})}},
        Malformed{"count_too_high", {key_entry({.algorithm = 3, .used = kMaxUnits + 1})}},
        Malformed{"runs_without_a_key", {runs_entry(0, kCount, {1})}},
        Malformed{"runs_of_a_bucket", {key_entry({}), runs_entry(0, kCount, {1})}},
        Malformed{"runs_of_another_key", {kLogKey, key_entry({.id = 1, .key = "l"}), runs_entry(0, kCount, {1})}},
        Malformed{"runs_without_a_run", {kLogKey, runs_entry(0, kCount, {})}},
        Malformed{"runs_that_end_in_a_gap", {kLogKey, runs_entry(0, kCount, {1, 5})}},
        Malformed{"run_of_cost_0", {kLogKey, runs_entry(0, kCount, {0})}},
        Malformed{"run_of_too_high_a_cost", {kLogKey, runs_entry(0, kCount, {kMaxUnits + 1})}},
        Malformed{"runs_that_sum_up_too_high", {kLogKey, runs_entry(0, kCount, {kMaxUnits, 1, 1})}},
        Malformed{"runs_at_one_time", {kLogKey, runs_entry(0, kCount, {1, 0, 1})}},
        Malformed{"runs_that_go_back", {kLogKey, runs_entry(0, kCount, {1}), runs_entry(0, kCount - 1, {1})}},
        Malformed{"run_before_0", {kLogKey, runs_entry(0, -1, {1})}},
        Malformed{"run_after_the_end", {kLogKey, runs_entry(0, INT64_MAX, {1})}},
        Malformed{"gap_overflows",
                  {kLogKey, runs_entry(0, kMaxTime.time_since_epoch().count(), {1, ~std::uint64_t{0}, 1})}}),
    [](const auto& test) { return test.param.what; });

TEST(SnapshotCodec, AnEntryThatIsCutIsRefused) {
  Keys keys;
  add(keys, "bucket", {.rate = 10, .per = 1s}).note_record(1, {.count = 1, .cost = 1, .last = WallTime(1s)});
  for (const Bytes& whole : {encode(keys)[0], encode(keys)[1]}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(loads({Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))})) << size;
    }
  }
}

// Neither a crash nor a state that the algorithms stop at.
TEST(SnapshotCodec, DamagedEntriesAreRefusedOrLoadAsStatesThatWork) {
  Random random(testing::test_seed());
  Keys sound;
  add(sound, "bucket", {.rate = 10, .per = 1s, .burst = 3}).usage.state = algorithm::TokenBucket{kNow, 2, 999'999'999};
  add(sound, "window", {.rate = 10, .per = 1s, .algorithm = Algorithm::kFixedWindowCounter, .burst = {}});
  add_sliding_log(sound, "log", 5);
  const Entries entries = encode(sound);
  int accepted = 0;
  for (int i = 0; i < 50'000; ++i) {
    Entries damaged = entries;
    Bytes& victim = damaged[random.pick(damaged.size())];
    victim[random.pick(victim.size())] = static_cast<std::byte>(random.pick(256));
    if (random.one_in(4)) victim.resize(random.pick(victim.size() + 3));
    Keys keys;
    SnapshotTime time;
    if (!load(damaged, keys, time)) continue;
    ++accepted;
    for (KeyId id = 0; id < keys.next_id(); ++id) {
      const KeyEntry& entry = *keys.find(id);
      ASSERT_LE(algorithm::view(entry.usage.state, entry.limit(), time.newest).remaining,
                entry.limit().lowest_capacity());
      algorithm::WindowSpace space;
      static_cast<void>(algorithm::decide(entry.usage.state, entry.limit(), 1, time.newest, space));
    }
  }
  EXPECT_GT(accepted, 1000) << "the test lost its point";
}

}  // namespace
}  // namespace flint::limiter
