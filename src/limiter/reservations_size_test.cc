#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "testing/engine_fixture.h"

/// Reservations that take about all of a record.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::EngineFixture;
using testing::fixed_window;
using testing::must;
using testing::several;
using testing::token_bucket;

class LargeReservations : public ::testing::Test {
 protected:
  LargeReservations() {
    for (Units rate = 1000; rate < 1004; ++rate) {
      std::vector<Limit> windows;
      for (int days = 359; days < 367; ++days) windows.push_back(token_bucket(rate, 24h * days));
      limits_.push_back(several(windows));
    }
    for (std::size_t i = 0; i < kMaxCheckAllItems; ++i) keys_.push_back("k" + std::to_string(i));
  }

  std::vector<CheckItem> items(const Limit& limit) const {
    std::vector<CheckItem> all;
    for (const std::string& key : keys_) all.push_back({key, 1, &limit});
    return all;
  }
  /// Of a unit of each key, under four limits of eight buckets each: a bucket that is no longer as it was at a charge
  /// takes more bytes.
  std::string reserve_all(OnExpiry on_expiry) {
    for (std::size_t i = 0; i + 1 < limits_.size(); ++i) engine_.check_all(items(limits_[i]));
    return must(engine_->reserve(items(limits_.back()), {.ttl = 10s, .on_expiry = on_expiry})).value.id;
  }
  Units remaining_of_first() {
    return must(engine_->check("k0", 1, {.limit = limits_.back(), .dry_run = true})).value.remaining;
  }

  EngineFixture engine_;
  std::vector<Limit> limits_;
  std::vector<std::string> keys_;
};

// Symptom: after a reservation whose refund did not fit into a record, no other one ever expired.
TEST_F(LargeReservations, OneThatCannotBeGivenBackKeepsItsChargeAndDelaysNoOther) {
  must(engine_.limit("small", fixed_window(10, 1h)));
  const std::string large = reserve_all(OnExpiry::kReturn);
  must(engine_->reserve(std::vector<CheckItem>{{"small", 4}}, {.ttl = 11s, .on_expiry = OnExpiry::kReturn}));
  EXPECT_EQ(engine_.remaining("small"), 6U);
  engine_.clock.advance(12s + 345'678'901ns);
  EXPECT_EQ(engine_.remaining("small"), 10U);
  EXPECT_EQ(must(engine_->reservation(large)).state, ReservationState::kExpired);
  EXPECT_EQ(engine_->stats().reservations, 0U);
  const Units left = remaining_of_first();
  engine_.kill();
  engine_.open();
  EXPECT_EQ(remaining_of_first(), left);
  EXPECT_EQ(engine_.remaining("small"), 10U);
}

}  // namespace
}  // namespace flint::limiter
