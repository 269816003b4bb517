#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>

#include "algorithm/token_bucket.h"
#include "testing/choices.h"
#include "testing/engine_fixture.h"
#include "testing/seed.h"

/// Reservations in random histories: what restarts change of them (nothing), and what refunds give back at most.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::EngineFixture;
using testing::fixed_window;
using testing::must;
using testing::Random;
using testing::several;
using testing::sliding_log;
using testing::to_text;
using testing::to_texts;
using testing::token_bucket;

Limit slots(Units rate, Nanos per) { return {.rate = rate, .per = per, .algorithm = Algorithm::kConcurrency}; }
Limit counter(Units rate, Nanos per) {
  return {.rate = rate, .per = per, .algorithm = Algorithm::kSlidingWindowCounter};
}

const std::vector<std::string> kKeys = {"bucket", "log", "fixed", "counter", "several",
                                        "slots",  "p:1", "p:2",   "carried"};

/// Two engines that are asked the same at the same times. One goes on, the other is closed, killed and compacted.
class Twins {
 public:
  explicit Twins(Random& random) : random_(random) {
    for (EngineFixture* each : both_) {
      must(each->limit("bucket", token_bucket(100, 10s)));
      must(each->limit("log", sliding_log(100, 10s)));
      must(each->limit("fixed", fixed_window(100, 10s)));
      must(each->limit("counter", counter(100, 10s)));
      must(each->limit("several", several({token_bucket(50, 5s), sliding_log(300, 60s)})));
      must(each->limit("slots", slots(5, 20s)));
      must(each->limit("p:*", token_bucket(60, 6s, 80)));
    }
  }

  void step() {
    advance();
    switch (random_.pick(12)) {
      case 0:
      case 1:
        return check();
      case 2:
        return charge();
      case 3:
      case 4:
      case 5:
        return reserve();
      case 6:
      case 7:
      case 8:
        return settle();
      case 9:
        return renew();
      case 10:
        return change();
      default:
        return interrupt();
    }
  }

 private:
  void advance() {
    const Nanos by(static_cast<std::int64_t>(random_.one_in(3) ? 0 : random_.pick(3'000'000'000)));
    for (EngineFixture* each : both_) each->clock.advance(by);
  }
  /// Both say the same.
  template <typename Ask>
  void expect_same(const char* what, const Ask& ask) {
    const std::string one = ask(steady_, 0);
    const std::string other = ask(restarted_, 1);
    ASSERT_EQ(one, other) << what;
    ASSERT_EQ(steady_.statuses(), restarted_.statuses()) << what;
  }
  template <typename T>
  static std::string told(const Result<Deferred<T>>& result) {
    return result.ok() ? told_value(result->value) : std::string(result.status().message());
  }
  static std::string told_value(const Decision& decision) { return to_text(decision); }
  static std::string told_value(const Settlement& settlement) { return joined(settlement.results); }
  static std::string told_value(const ReserveResult& result) {
    return joined(result.decision.results) + (result.expires_at ? " until " + to_text(result.expires_at) : " denied");
  }
  static std::string told_value(const ReservationStatus& status) {
    return std::string(reservation_state_name(status.state)) + " until " + to_text(status.expires_at);
  }
  static std::string joined(const std::vector<Decision>& decisions) {
    std::string text;
    for (const Decision& each : decisions) text += to_text(each) + "; ";
    return text;
  }

  const std::string& any_key() { return kKeys[random_.pick(kKeys.size())]; }
  const Limit* carried_for(const std::string& key) {
    if (key != "carried") return nullptr;
    static const Limit kLimits[] = {token_bucket(40, 4s), sliding_log(70, 8s), token_bucket(40, 4s, 90)};
    return &kLimits[random_.pick(std::size(kLimits))];
  }

  void check() {
    const std::string key = any_key();
    const Units cost = 1 + random_.pick(20);
    const Limit* limit = carried_for(key);
    expect_same("check", [&](EngineFixture& engine, int) {
      return told(engine->check(key, cost, {.limit = limit == nullptr ? std::nullopt : std::optional(*limit)}));
    });
  }
  void charge() {
    const std::string key = any_key();
    const Units cost = 1 + random_.pick(random_.one_in(8) ? 300 : 20);
    const Limit* limit = carried_for(key);
    expect_same("charge", [&](EngineFixture& engine, int) {
      return told(engine->charge(key, cost, {.limit = limit == nullptr ? std::nullopt : std::optional(*limit)}));
    });
  }
  void reserve() {
    std::vector<CheckItem> items;
    for (const std::string& key : kKeys) {
      if (!random_.one_in(4)) continue;
      items.push_back({key, key == "slots" ? 1 + random_.pick(2) : 1 + random_.pick(30), carried_for(key)});
    }
    if (items.empty()) return;
    const ReserveOptions options{.ttl = std::chrono::milliseconds(1 + random_.pick(40'000)),
                                 .on_expiry = random_.one_in(2) ? OnExpiry::kReturn : OnExpiry::kKeep};
    std::vector<std::string> ids(2);
    expect_same("reserve", [&](EngineFixture& engine, int who) {
      auto result = engine->reserve(items, options);
      if (result.ok()) ids[static_cast<std::size_t>(who)] = result->value.id;
      return told(result);
    });
    if (!ids[0].empty()) reservations_.push_back({ids, items});
  }
  void settle() {
    if (reservations_.empty()) return;
    const auto& [ids, items] = reservations_[random_.pick(reservations_.size())];
    std::vector<ActualCost> costs;
    for (const CheckItem& item : items) {
      if (random_.one_in(3)) continue;
      const Units most = item.key == "slots" ? item.cost : random_.one_in(4) ? 3 * item.cost : item.cost;
      costs.push_back({item.key, random_.pick(most + 1)});
    }
    const bool cancels = random_.one_in(4);
    expect_same("settle", [&](EngineFixture& engine, int who) {
      const std::string& id = ids[static_cast<std::size_t>(who)];
      return told(cancels ? engine->cancel(id) : engine->commit(id, costs));
    });
  }
  void renew() {
    if (reservations_.empty()) return;
    const auto& ids = reservations_[random_.pick(reservations_.size())].ids;
    const std::chrono::milliseconds ttl(1 + random_.pick(40'000));
    expect_same("renew", [&](EngineFixture& engine, int who) {
      return told(engine->renew(ids[static_cast<std::size_t>(who)], ttl));
    });
  }
  /// What an operator does.
  void change() {
    const Units rate = 20 + random_.pick(100);
    const std::size_t which = random_.pick(6);
    for (EngineFixture* each : both_) {
      if (which == 0) must(each->limit("bucket", token_bucket(rate, 10s)));
      if (which == 1) must(each->limit("log", sliding_log(rate, 10s)));
      if (which == 2) must(each->limit("p:*", token_bucket(rate, 6s, 80)));
      if (which == 3) must(each->reset("bucket"));
      if (which == 4) must(each->reset("p:*"));
      if (which == 5) must(each->limit("fixed", rate % 2 == 0 ? fixed_window(rate, 10s) : token_bucket(rate, 10s)));
    }
    ASSERT_EQ(steady_.statuses(), restarted_.statuses());
  }
  void interrupt() {
    for (EngineFixture* each : both_) must((*each)->tick());
    switch (random_.pick(3)) {
      case 0:
        restarted_.reopen();
        break;
      case 1:
        restarted_.kill();
        restarted_.open();
        break;
      default:
        must(restarted_->compact());
    }
    ASSERT_EQ(steady_.statuses(), restarted_.statuses());
  }

  struct Made {
    std::vector<std::string> ids;
    std::vector<CheckItem> items;
  };

  Random& random_;
  EngineFixture steady_;
  EngineFixture restarted_;
  std::vector<EngineFixture*> both_ = {&steady_, &restarted_};
  std::vector<Made> reservations_;
};

TEST(ReservationsProperty, RestartsChangeNothing) {
  Random random(testing::test_seed());
  for (int history = 0; history < 12; ++history) {
    Twins twins(random);
    for (int step = 0; step < 150; ++step) {
      twins.step();
      if (HasFatalFailure()) return;
    }
  }
}

/// One key, and what was charged to it when, with what each charge cost in the end.
class Ledger {
 public:
  Ledger(Random& random, Limit limit) : random_(random), limit_(std::move(limit)) { must(engine_.limit("k", limit_)); }

  void step() {
    const Nanos by(static_cast<std::int64_t>(random_.one_in(3) ? 0 : random_.pick(4'000'000'000)));
    engine_.clock.advance(by);
    now_ += by;
    const Units cost = 1 + random_.pick(40);
    const std::vector<CheckItem> items = {{"k", cost, nullptr}};
    if (random_.one_in(3)) {
      if (engine_.allows("k", cost)) charges_.push_back({now_, cost, {}});
    } else if (random_.one_in(2)) {
      const auto reserved = must(engine_->reserve(items, {.ttl = 1h})).value;
      if (reserved.allowed()) charges_.push_back({now_, cost, reserved.id});
    } else {
      settle();
    }
    expect_no_less_in_use();
  }

 private:
  struct Charge {
    Nanos at{};
    Units cost = 0;
    std::string reservation;
  };

  void settle() {
    std::vector<Charge*> held;
    for (Charge& each : charges_) {
      if (!each.reservation.empty()) held.push_back(&each);
    }
    if (held.empty()) return;
    Charge& charge = *held[random_.pick(held.size())];
    const Units actual = random_.pick(charge.cost + 1);
    const std::vector<ActualCost> costs = {{"k", actual}};
    must(engine_->commit(charge.reservation, costs));
    charge.cost = actual;
    charge.reservation.clear();
  }

  /// As much is left at most as in the history in which each charge was what it cost in the end from the start.
  void expect_no_less_in_use() {
    algorithm::State state = algorithm::fresh(limit_, Time{});
    for (const Charge& each : charges_) {
      if (each.cost == 0) continue;
      const algorithm::Outcome outcome = algorithm::charged(state, limit_, each.cost, Time(each.at), space_);
      algorithm::consume(state, limit_, each.cost, Time(each.at), outcome);
    }
    const Units most = algorithm::view(state, limit_, Time(now_)).remaining;
    ASSERT_LE(engine_.remaining("k"), most);
  }

  Random& random_;
  const Limit limit_;
  EngineFixture engine_;
  Nanos now_{};
  std::vector<Charge> charges_;
  algorithm::WindowSpace space_;
};

TEST(ReservationsProperty, ARefundLeavesNoLessInUseThanIfItHadNotBeenCharged) {
  Random random(testing::test_seed());
  for (int history = 0; history < 200; ++history) {
    Ledger ledger(random, random.one_in(2) ? token_bucket(100, 20s, 150) : sliding_log(100, 20s));
    for (int step = 0; step < 40; ++step) {
      ledger.step();
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace flint::limiter
