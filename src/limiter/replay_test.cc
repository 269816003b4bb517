#include <gtest/gtest.h>

#include "limiter/event_codec.h"
#include "limiter/limiter_state.h"

/// Records that are well formed each by itself and contradict the ones before: damage, of which nothing is used.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;

const Limit kLimit{.rate = 10, .per = 1s, .algorithm = Algorithm::kTokenBucket, .burst = {}};

Moment at(std::int64_t nanos) { return {Time(Nanos(nanos)), WallTime(Nanos(nanos))}; }

class ReplayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(configure(0, "first", 100), Code::kOk);
    ASSERT_EQ(allow(0, 1, 200), Code::kOk);
  }

  Code replay(const EventWriter& event) {
    return state_.replay({.kind = event.kind(), .seq = ++seq_, .payload = event.written()}).code();
  }
  Code configure(KeyId id, std::string_view key, std::int64_t time) {
    EventWriter event(EventType::kConfigured, at(time));
    event.configured({.id = id, .cost = 0, .denials = {}, .after = {Algorithm::kTokenBucket, 0, 0}}, key, kLimit);
    return replay(event);
  }
  Code allow(KeyId id, std::uint64_t used, std::int64_t time, Algorithm algorithm = Algorithm::kTokenBucket) {
    EventWriter event(EventType::kAllowed, at(time));
    event.allowed({.id = id, .cost = 1, .denials = {}, .after = {algorithm, used, 0}});
    return replay(event);
  }

  /// As 0.1.0 wrote it: `spent` is what was spent of a log that was never merged.
  Code slide(KeyId id, std::uint64_t spent, std::int64_t time) {
    EventWriter event(EventType::kAllowed, at(time));
    event.allowed({.id = id, .cost = 1, .denials = {}, .after = {Algorithm::kSlidingWindowLog, spent, 0}});
    return replay(event);
  }
  KeyId configure_sliding(std::int64_t time) {
    const KeyId id = state_.keys.next_id();
    const Limit limit{.rate = kMaxUnits, .per = 1s, .algorithm = Algorithm::kSlidingWindowLog, .burst = {}};
    EventWriter event(EventType::kConfigured, at(time));
    event.configured({.id = id, .cost = 0, .denials = {}, .after = {Algorithm::kSlidingWindowLog, 0, 1}}, "sliding",
                     limit);
    EXPECT_EQ(replay(event), Code::kOk);
    return id;
  }

  base::Mutex mutex_;
  LimiterState state_{mutex_, [] { return Status(); }};
  storage::Seq seq_ = 0;
};

TEST_F(ReplayTest, TimeNeverRunsBackwardInsideTheLog) {
  EXPECT_EQ(allow(0, 2, 200), Code::kOk) << "two events at once";
  EXPECT_EQ(allow(0, 3, 199), Code::kCorruption);
  EXPECT_EQ(replay(EventWriter(EventType::kTime, at(199))), Code::kCorruption);
}

TEST_F(ReplayTest, AKeyIsConfiguredBeforeItIsNamed) { EXPECT_EQ(allow(1, 1, 300), Code::kCorruption); }

TEST_F(ReplayTest, IdsAreGivenOneByOneAndOnce) {
  EXPECT_EQ(configure(2, "second", 300), Code::kCorruption) << "1 is next";
  EXPECT_EQ(configure(1, "first", 300), Code::kCorruption) << "that key has one";
  EXPECT_EQ(configure(0, "second", 300), Code::kCorruption) << "that id has a key";
  EXPECT_EQ(configure(1, "second", 300), Code::kOk);
  EXPECT_EQ(configure(0, "first", 300), Code::kOk) << "configured again";
}

TEST_F(ReplayTest, AStateIsOneThatTheLimitCanLeadTo) {
  EXPECT_EQ(allow(0, kMaxUnits + 1, 300), Code::kCorruption) << "more in use than ever passes";
  EXPECT_EQ(allow(0, 1, 300, Algorithm::kFixedWindowCounter), Code::kCorruption) << "of another algorithm";
}

// A key with the highest sequence number of all got its quota back at each restart: replay skipped what came after.
TEST_F(ReplayTest, NoKeyOfASnapshotIsNewerThanTheSnapshot) {
  state_.begin_snapshot();
  const auto load_under = [&](storage::Seq max_seq) {
    LimiterState loaded(mutex_, [] { return Status(); });
    Status status;
    state_.begin_snapshot();
    EXPECT_FALSE(state_.next_entries([&](std::span<const std::byte> entry) {
      if (status.ok()) status = loaded.load(entry, max_seq);
    }));
    return status;
  };
  EXPECT_TRUE(load_under(2).ok());
  EXPECT_EQ(load_under(1).code(), Code::kCorruption);
  EXPECT_EQ(load_under(1).message(), "the snapshot ends with record 1, and one of its keys with record 2");
}

// Counts that add up beyond the most that is read back made the next snapshot one that no open took.
TEST_F(ReplayTest, WhatIsCountedBeyondAllBoundsStillMakesASnapshotThatLoads) {
  for (int i = 0; i < 5; ++i) {
    EventWriter event(EventType::kDenied, at(300));
    event.denied({.id = 0,
                  .cost = 0,
                  .denials = {.count = kMaxCounted, .cost = 1, .last = at(300).wall},
                  .after = {Algorithm::kTokenBucket, 0, 0}});
    ASSERT_EQ(replay(event), Code::kOk);
  }
  LimiterState loaded(mutex_, [] { return Status(); });
  state_.begin_snapshot();
  EXPECT_FALSE(state_.next_entries(
      [&](std::span<const std::byte> entry) { EXPECT_EQ(loaded.load(entry, seq_).code(), Code::kOk); }));
}

// Where a repair dropped the records behind a snapshot, time began again at its position: before what its keys hold.
TEST_F(ReplayTest, TimeGoesOnFromTheNewestKeyOfASnapshotWithoutALogBehindIt) {
  LimiterState repaired(mutex_, [] { return Status(); });
  state_.begin_snapshot();
  ASSERT_EQ(allow(0, 2, 500), Code::kOk);
  EXPECT_FALSE(state_.next_entries(
      [&](std::span<const std::byte> entry) { EXPECT_EQ(repaired.load(entry, seq_).code(), Code::kOk); }));
  EXPECT_EQ(repaired.time.last, at(200).time);
  repaired.catch_up_time();
  EXPECT_EQ(repaired.time.last, at(500).time);
}

// 0.1.0 did not bound the runs of a key: its log of more than a million was taken for damage, and nothing is granted
// by what is merged.
TEST_F(ReplayTest, ALogOfMoreThanAMillionRunsIsMergedAndGrantsNothing) {
  constexpr std::int64_t kBegin = 1'000;
  constexpr std::int64_t kSecond = 1'000'000'000;
  constexpr std::int64_t kRuns = algorithm::SlidingLog::kMaxRuns + 1'000;
  const KeyId id = configure_sliding(kBegin);
  for (std::int64_t i = 0; i < kRuns; ++i) {
    ASSERT_EQ(slide(id, static_cast<std::uint64_t>(i) + 1, kBegin + i), Code::kOk) << i;
  }
  const auto& log = std::get<algorithm::SlidingLog>(state_.keys.find(id)->usage.state);
  EXPECT_EQ(log.size(), algorithm::SlidingLog::kMaxRuns);
  EXPECT_EQ(log.spent(at(kBegin + kRuns).time, 1s), static_cast<Units>(kRuns));
  // From here on the oldest units had expired for 0.1.0; here they count until the run that they were merged into does.
  for (std::int64_t i = 0; i < 2'000; i += 100) {
    const std::int64_t now = kBegin + kSecond + i;
    const std::int64_t expired = i + 1;
    const std::int64_t since = i / 100;
    ASSERT_EQ(slide(id, static_cast<std::uint64_t>(kRuns - expired + since + 1), now), Code::kOk) << i;
    EXPECT_GE(log.spent(at(now).time, 1s), static_cast<Units>(kRuns - expired + since + 1)) << i;
  }
}

// With new keys all the time, and a snapshot nearly always under way, no id was used twice: the table grew for ever.
TEST_F(ReplayTest, IdsAreGivenBackWhileASnapshotIsWrittenAndItLeavesYoungKeysOut) {
  ASSERT_EQ(configure(1, "second", 300), Code::kOk);
  state_.begin_snapshot();
  state_.remove(*state_.keys.find("first"));
  for (int i = 0; i < 1'000; ++i) {
    KeyEntry& young = state_.keys.add("young " + std::to_string(i));
    young.usage = {state_.limits.rule(kLimit), algorithm::fresh(kLimit, at(400).time)};
    if (i < 999) state_.remove(young);
  }
  EXPECT_LE(state_.keys.end_id(), 3U);
  LimiterState loaded(mutex_, [] { return Status(); });
  EXPECT_FALSE(state_.next_entries(
      [&](std::span<const std::byte> entry) { EXPECT_EQ(loaded.load(entry, seq_).code(), Code::kOk); }));
  EXPECT_EQ(loaded.keys.size(), 1U);
  EXPECT_NE(loaded.keys.find("second"), nullptr);
  // Of the key that went before the snapshot came to it, records change nothing, up to the one with which it went.
  EventWriter denied(EventType::kDenied, at(500));
  denied.denied({.id = 0,
                 .cost = 0,
                 .denials = {.count = 1, .cost = 1, .last = at(500).wall},
                 .after = {Algorithm::kTokenBucket, 0, 0}});
  EXPECT_EQ(loaded.replay({.kind = denied.kind(), .seq = 10, .payload = denied.written()}).code(), Code::kOk);
  EventWriter gone(EventType::kForgotten, at(600));
  gone.forgotten({.id = 0});
  EXPECT_EQ(loaded.replay({.kind = gone.kind(), .seq = 11, .payload = gone.written()}).code(), Code::kOk);
  EXPECT_EQ(loaded.replay({.kind = denied.kind(), .seq = 12, .payload = denied.written()}).code(), Code::kCorruption);
}

// A snapshot held what a long log was at several times, or held the mutex for as long as it takes to copy all of it.
TEST_F(ReplayTest, ALongLogIsInASnapshotAsItIsWhenItsCopyEnds) {
  constexpr std::uint64_t kRuns = 100'000;
  const KeyId id = configure_sliding(1'000);
  std::uint64_t spent = 0;
  const auto check = [&] {
    ++spent;
    ASSERT_EQ(slide(id, spent, 1'000 + static_cast<std::int64_t>(spent)), Code::kOk);
  };
  for (std::uint64_t i = 0; i < kRuns; ++i) check();
  LimiterState loaded(mutex_, [] { return Status(); });
  state_.begin_snapshot();
  int pieces = 1;
  for (bool more = true; more; ++pieces) {
    more = state_.next_entries(
        [&](std::span<const std::byte> entry) { ASSERT_EQ(loaded.load(entry, seq_).code(), Code::kOk); });
    if (more) check();
  }
  EXPECT_GT(pieces, 5);
  EXPECT_EQ(loaded.keys.find(id)->usage.state, state_.keys.find(id)->usage.state);
  EXPECT_EQ(loaded.keys.find(id)->counters(), state_.keys.find(id)->counters());
  EXPECT_EQ(loaded.keys.find(id)->last_seq, state_.keys.find(id)->last_seq);
}

/// One part that sets the limit of a key.
class GroupReplay : public ReplayTest {
 protected:
  Code part(KeyId id, std::string_view key, const GroupPart& part) {
    EventWriter event(EventType::kConfigured, at(300), part);
    event.configured({.id = id, .cost = 0, .denials = {}, .after = {Algorithm::kTokenBucket, 0, 0}}, key, kLimit);
    return replay(event);
  }
  bool is_there(std::string_view key) { return state_.keys.find(key) != nullptr; }
};

TEST_F(GroupReplay, PartsCountOnceTheLastOneIsThere) {
  EXPECT_EQ(part(1, "a", {.begins = true}), Code::kOk);
  EXPECT_EQ(part(2, "b", {}), Code::kOk);
  EXPECT_FALSE(is_there("a") || is_there("b"));
  EXPECT_EQ(part(3, "c", {.ends = true}), Code::kOk);
  EXPECT_TRUE(is_there("a") && is_there("b") && is_there("c"));
  EXPECT_EQ(state_.keys.find("b")->last_seq, seq_ - 1) << "each has the number of its own record";
}

TEST_F(GroupReplay, PartsWithoutTheLastOneNeverCount) {
  EXPECT_EQ(part(1, "a", {.begins = true}), Code::kOk);
  EXPECT_EQ(allow(0, 2, 300), Code::kOk) << "another record";
  EXPECT_EQ(part(1, "b", {.begins = true}), Code::kOk);
  EXPECT_EQ(part(1, "c", {.begins = true, .ends = true}), Code::kOk) << "another group";
  EXPECT_FALSE(is_there("a") || is_there("b"));
  EXPECT_TRUE(is_there("c"));
}

TEST_F(GroupReplay, APartThatContinuesNoGroupIsDamage) {
  EXPECT_EQ(part(1, "a", {.ends = true}), Code::kCorruption);
  EXPECT_EQ(part(1, "a", {.begins = true, .ends = true}), Code::kOk);
  EXPECT_EQ(part(2, "b", {.ends = true}), Code::kCorruption) << "that one had ended";
}

TEST_F(GroupReplay, APartThatContradictsTheRecordsBeforeItIsDamage) {
  EXPECT_EQ(part(5, "a", {.begins = true, .ends = true}), Code::kCorruption) << "1 is next";
}

}  // namespace
}  // namespace flint::limiter
