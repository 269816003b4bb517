#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>

#include "testing/engine_fixture.h"
#include "testing/seed.h"

/// A life of charges and reservations that is cut short at every call of its disk. What is found is what a life without
/// a crash had after the last step that returned, or after the one that did not return.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::EngineFixture;
using testing::FaultyDisk;
using testing::fixed_window;
using testing::Random;
using testing::several;
using testing::sliding_log;
using testing::Survives;
using testing::token_bucket;

struct Life {
  EngineFixture& engine;
  /// Of the reservations, in their order.
  std::vector<std::string> ids = {};
};
using Step = std::function<Status(Life&)>;

template <typename T>
Status waited(EngineFixture& engine, const Result<Deferred<T>>& result) {
  return result.ok() ? engine->wait(result->ticket) : result.status();
}

Step limit(const std::string& key, const Limit& limit) {
  return [=](Life& life) { return life.engine.limit(key, limit); };
}
Step pass(Nanos time) {
  return [=](Life& life) {
    life.engine.clock.advance(time);
    return Status();
  };
}
Step check(const std::string& key, Units cost) {
  return [=](Life& life) { return life.engine.try_check(key, cost).status(); };
}
Step charge(const std::string& key, Units cost, const std::string& request_id = {}) {
  return [=](Life& life) { return waited(life.engine, life.engine->charge(key, cost, {.request_id = request_id})); };
}
Step reserve(const std::vector<CheckItem>& items, Nanos ttl, OnExpiry on_expiry) {
  return [=](Life& life) {
    auto reserved = life.engine->reserve(items, {.ttl = ttl, .on_expiry = on_expiry});
    const Status durable = waited(life.engine, reserved);
    if (durable.ok()) life.ids.push_back(reserved->value.id);
    return durable;
  };
}
Step commit(std::size_t number, const std::vector<ActualCost>& costs) {
  return [=](Life& life) { return waited(life.engine, life.engine->commit(life.ids.at(number), costs)); };
}
Step cancel(std::size_t number) {
  return [=](Life& life) { return waited(life.engine, life.engine->cancel(life.ids.at(number))); };
}
Step renew(std::size_t number, Nanos ttl) {
  return [=](Life& life) { return waited(life.engine, life.engine->renew(life.ids.at(number), ttl)); };
}
Step tick() {
  return [](Life& life) { return life.engine->tick(); };
}
Step compact() {
  return [](Life& life) { return life.engine->compact(); };
}

const std::vector<Step> kLife = {
    limit("rpm", token_bucket(10, 10s)),
    limit("tpm", several({sliding_log(900, 60s), token_bucket(500, 10s)})),
    limit("jobs", {.rate = 2, .per = 20s, .algorithm = Algorithm::kConcurrency}),
    limit("user:*", fixed_window(50, 30s)),
    reserve({{"rpm", 1}, {"tpm", 300}, {"user:1", 5}}, 5s, OnExpiry::kReturn),
    reserve({{"jobs", 1}, {"tpm", 100}}, 1min, OnExpiry::kKeep),
    check("rpm", 2),
    pass(1s),
    commit(0, {{"tpm", 120}, {"user:1", 0}}),
    reserve({{"rpm", 3}, {"user:2", 7}}, 2s, OnExpiry::kReturn),
    charge("tpm", 700),
    compact(),
    reserve({{"jobs", 1}, {"user:1", 9}}, 3s, OnExpiry::kKeep),
    pass(2s),
    tick(),
    charge("user:3", 60, "once"),
    renew(1, 90s),
    commit(2, {{"rpm", 4}}),
    pass(2s),
    commit(3, {{"user:1", 2}}),
    limit("rpm", token_bucket(20, 10s)),
    cancel(1),
    compact(),
    check("rpm", 1),
    commit(0, {}),
    tick(),
};

std::string shown(Life& life) {
  std::string text;
  for (const std::string& status : life.engine.statuses()) text += status + "\n";
  for (const std::string& id : life.ids) {
    const Result<ReservationStatus> reservation = life.engine->reservation(id);
    if (!reservation.ok()) {
      text += "unknown\n";
      continue;
    }
    text += std::string(reservation_state_name(reservation->state)) + " until " +
            testing::to_text(std::optional(reservation->expires_at)) + "\n";
  }
  return text;
}

class ReservationsCrash : public ::testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] EngineFixture fixture() const { return {SyncMode::kAlways, FaultyDisk({.can_map = GetParam()})}; }

  /// What there is to be seen after each step, of so many reservations.
  std::vector<std::string> seen(std::size_t reservations) {
    EngineFixture engine = fixture();
    engine.open();
    Life life{engine};
    std::vector<std::string> after = {shown(life)};
    for (const Step& step : kLife) {
      EXPECT_TRUE(step(life).ok()) << after.size();
      Life part{
          engine,
          {life.ids.begin(), life.ids.begin() + static_cast<std::ptrdiff_t>(std::min(reservations, life.ids.size()))}};
      after.push_back(shown(part));
    }
    return after;
  }
};

TEST_P(ReservationsCrash, AtEveryCallFindsWhatTheLastStepLeft) {
  Random random(testing::test_seed());
  std::vector<std::vector<std::string>> wanted;
  for (std::size_t reservations = 0; reservations <= 4; ++reservations) wanted.push_back(seen(reservations));
  std::size_t crashes = 0;
  for (std::uint64_t call = 0;; ++call) {
    EngineFixture engine = fixture();
    engine.disk().die_at(call, {.error = EIO, .partly = random.pick(1'000'000)});
    if (!engine.try_open().ok()) continue;
    Life life{engine};
    std::size_t done = 0;
    while (done < kLife.size() && kLife[done](life).ok()) ++done;
    if (!engine.disk().died()) break;
    ++crashes;
    SCOPED_TRACE("call " + std::to_string(call) + " in step " + std::to_string(done));
    engine.lose_power(random.one_in(2) ? Survives::kRandom : Survives::kOnlySynced, random.pick(1'000'000));
    engine.open();
    const std::string found = shown(life);
    const std::vector<std::string>& after = wanted.at(life.ids.size());
    if (found == after[done]) continue;
    ASSERT_LT(done, kLife.size());
    ASSERT_EQ(found, after[done + 1]) << "or\n" << after[done];
  }
  EXPECT_GT(crashes, 50U);
}

INSTANTIATE_TEST_SUITE_P(Paths, ReservationsCrash, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "Mapped" : "Written"; });

}  // namespace
}  // namespace flint::limiter
