#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "testing/engine_fixture.h"

/// Charges, and reservations from their first unit to their end.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::EngineFixture;
using testing::fixed_window;
using ::testing::HasSubstr;
using testing::must;
using testing::several;
using testing::sliding_log;
using testing::token_bucket;

Limit slots(Units rate, Nanos per) { return {.rate = rate, .per = per, .algorithm = Algorithm::kConcurrency}; }

class Reservations : public ::testing::Test {
 protected:
  ReserveResult reserve(const std::vector<CheckItem>& items, Nanos ttl = 1min, OnExpiry on_expiry = OnExpiry::kKeep) {
    return must(engine_->reserve(items, {.ttl = ttl, .on_expiry = on_expiry})).value;
  }
  Settlement commit(const std::string& id, const std::vector<ActualCost>& costs = {}) {
    return must(engine_->commit(id, costs)).value;
  }
  Settlement cancel(const std::string& id) { return must(engine_->cancel(id)).value; }
  ReservationState state(const std::string& id) { return must(engine_->reservation(id)).state; }

  EngineFixture engine_;
};

TEST_F(Reservations, AChargeCountsBeyondTheLimitAndIsADebt) {
  must(engine_.limit("k", token_bucket(100, 100s)));
  const Decision fits = must(engine_->charge("k", 60, {})).value;
  EXPECT_TRUE(fits.allowed);
  EXPECT_EQ(fits.remaining, 40U);
  const Decision beyond = must(engine_->charge("k", 90, {})).value;
  EXPECT_FALSE(beyond.allowed);
  EXPECT_EQ(beyond.remaining, 0U);
  EXPECT_EQ(beyond.retry_after_ms, 140'000U);
  engine_.clock.advance(50s);
  EXPECT_FALSE(engine_.allows("k"));
  engine_.clock.advance(1s);
  EXPECT_TRUE(engine_.allows("k"));
  EXPECT_EQ(engine_.status("k").total_allowed_cost, 151U);
}

TEST_F(Reservations, ACommitSettlesUpOrDown) {
  must(engine_.limit("rpm", token_bucket(10, 60s)));
  must(engine_.limit("tpm", sliding_log(1000, 60s)));
  const ReserveResult reserved = reserve({{"rpm", 1}, {"tpm", 400}});
  ASSERT_TRUE(reserved.allowed());
  EXPECT_EQ(reserved.id.size(), 32U);
  EXPECT_EQ(engine_.remaining("tpm"), 600U);
  EXPECT_EQ(engine_.status("tpm").reserved, 400U);
  const Settlement down = commit(reserved.id, {{"tpm", 150}});
  ASSERT_EQ(down.results.size(), 2U);
  EXPECT_EQ(down.results[0].cost, 1U);
  EXPECT_EQ(down.results[1].cost, 150U);
  EXPECT_EQ(down.results[1].remaining, 850U);
  EXPECT_EQ(engine_.remaining("tpm"), 850U);
  EXPECT_EQ(engine_.remaining("rpm"), 9U);
  EXPECT_EQ(engine_.status("tpm").reserved, 0U);
  const ReserveResult again = reserve({{"tpm", 100}});
  EXPECT_EQ(commit(again.id, {{"tpm", 500}}).results[0].remaining, 350U);
  EXPECT_EQ(engine_.status("tpm").total_allowed_cost, 650U);
}

TEST_F(Reservations, SettlingAgainAnswersWhatTheFirstTimeAnsweredAlsoAfterARestart) {
  must(engine_.limit("k", token_bucket(100, 100s)));
  const ReserveResult reserved = reserve({{"k", 40}});
  const Settlement first = commit(reserved.id, {{"k", 10}});
  engine_.clock.advance(3s);
  engine_.kill();
  engine_.open();
  for (const Settlement& again : {commit(reserved.id, {{"k", 30}}), cancel(reserved.id)}) {
    EXPECT_EQ(testing::to_text(again.results[0]), testing::to_text(first.results[0]));
  }
  EXPECT_EQ(engine_.remaining("k"), 93U);
  engine_.clock.advance(10min);
  EXPECT_EQ(engine_->commit(reserved.id, {}).code(), Code::kReservationNotFound);
}

TEST_F(Reservations, ACancelledOneGivesEverythingBackThatIsStillInUse) {
  must(engine_.limit("k", token_bucket(100, 100s)));
  const std::string older = reserve({{"k", 40}}).id;
  const std::string younger = reserve({{"k", 40}}).id;
  cancel(younger);
  EXPECT_EQ(engine_.remaining("k"), 60U);
  cancel(older);
  EXPECT_EQ(engine_.remaining("k"), 100U);
  const std::string late = reserve({{"k", 40}}).id;
  engine_.clock.advance(30s);
  EXPECT_TRUE(engine_.allows("k", 5));
  cancel(late);  // 30 of its units are refilled
  EXPECT_EQ(engine_.remaining("k"), 95U);
}

TEST_F(Reservations, AnExpiredOneKeepsItsChargeOrGivesItBack) {
  must(engine_.limit("kept", fixed_window(100, 1h)));
  must(engine_.limit("returned", fixed_window(100, 1h)));
  const std::string kept = reserve({{"kept", 30}}, 10s).id;
  const std::string returned = reserve({{"returned", 30}}, 10s, OnExpiry::kReturn).id;
  engine_.clock.advance(10s - 1ns);
  EXPECT_EQ(state(kept), ReservationState::kHeld);
  EXPECT_EQ(engine_.remaining("returned"), 70U);
  engine_.clock.advance(1ns);
  EXPECT_EQ(engine_.remaining("kept"), 70U);
  EXPECT_EQ(engine_.remaining("returned"), 100U);
  EXPECT_EQ(state(kept), ReservationState::kExpired);
  EXPECT_EQ(state(returned), ReservationState::kExpired);
  // Usage that has happened is settled against what was kept or returned.
  commit(kept, {{"kept", 10}});
  commit(returned, {{"returned", 50}});
  EXPECT_EQ(engine_.remaining("kept"), 90U);
  EXPECT_EQ(engine_.remaining("returned"), 50U);
  EXPECT_EQ(engine_->stats().reservations_expired, 2U);
  EXPECT_EQ(engine_->stats().reservations, 0U);
}

TEST_F(Reservations, OneThatExpiresWhileNobodyRunsIsGivenBackOnce) {
  must(engine_.limit("k", token_bucket(100, 1000h)));
  reserve({{"k", 60}}, 10s, OnExpiry::kReturn);
  engine_.kill();
  engine_.clock.advance(1h);
  engine_.open();
  EXPECT_EQ(engine_.remaining("k"), 100U);
  EXPECT_TRUE(engine_.allows("k", 50));
  engine_.kill();
  engine_.open();
  EXPECT_EQ(engine_.remaining("k"), 50U);
}

// Symptom: without a server, `flint limit status` showed units as used that had been returned by then.
TEST_F(Reservations, WhoOnlyReadsSeesWhatHasBeenReturned) {
  must(engine_.limit("k", fixed_window(100, 1h)));
  const std::string id = reserve({{"k", 60}}, 10s, OnExpiry::kReturn).id;
  engine_.close();
  engine_.clock.advance(10s);
  engine_.options.mode = OpenMode::kReadOnly;
  engine_.open();
  EXPECT_EQ(engine_.remaining("k"), 100U);
  EXPECT_EQ(state(id), ReservationState::kExpired);
  EXPECT_EQ(engine_->commit(id, {}).code(), Code::kPermission);
  engine_.close();
  engine_.options.mode = OpenMode::kReadWrite;
  engine_.open();
  EXPECT_EQ(engine_.remaining("k"), 100U);
}

TEST_F(Reservations, SlotsAreFreeWhenTheyAreReleasedAndWhenTheirTimeIsUp) {
  must(engine_.limit("jobs", slots(2, 30s)));
  must(engine_.limit("rate", token_bucket(100, 60s)));
  const std::string first = reserve({{"jobs", 1}, {"rate", 1}}, 1min).id;
  engine_.clock.advance(10s);
  const std::string second = reserve({{"jobs", 1}}, 5s).id;
  const ReserveResult third = reserve({{"rate", 1}, {"jobs", 1}});
  EXPECT_FALSE(third.allowed());
  EXPECT_EQ(third.decision.denied_key, "jobs");
  EXPECT_EQ(third.decision.results[1].retry_after_ms, 5000U);
  EXPECT_EQ(engine_.remaining("jobs"), 0U);
  EXPECT_EQ(engine_.remaining("rate"), 100U) << "refilled, and the denied one took none";
  engine_.kill();
  engine_.open();
  engine_.clock.advance(5s);
  EXPECT_EQ(engine_.remaining("jobs"), 1U);
  EXPECT_TRUE(reserve({{"jobs", 1}}, 1min).allowed());
  EXPECT_EQ(commit(first).results[0].remaining, 1U);
  EXPECT_EQ(engine_.remaining("jobs"), 1U);
  engine_.clock.advance(30s);  // the limit's per, though the reservation goes on
  EXPECT_EQ(engine_.remaining("jobs"), 2U);
  EXPECT_EQ(state(second), ReservationState::kExpired);
}

TEST_F(Reservations, ARenewalHoldsSlotsAnewAndAResetFreesNone) {
  must(engine_.limit("jobs", slots(1, 30s)));
  const std::string id = reserve({{"jobs", 1}}, 20s).id;
  engine_.clock.advance(15s);
  must(engine_->renew(id, 20s));
  must(engine_.reset("jobs"));
  engine_.clock.advance(15s);
  EXPECT_EQ(engine_.remaining("jobs"), 0U);
  engine_.clock.advance(5s);
  EXPECT_EQ(engine_.remaining("jobs"), 1U);
  EXPECT_EQ(engine_->renew(id, 20s).code(), Code::kReservationNotFound);
}

TEST_F(Reservations, NothingIsGivenBackOfWhatWasTakenBeforeAReset) {
  must(engine_.limit("k", token_bucket(100, 1000h)));
  const std::string before = reserve({{"k", 40}}).id;
  must(engine_.reset("k"));
  EXPECT_TRUE(engine_.allows("k", 70));
  cancel(before);
  EXPECT_EQ(engine_.remaining("k"), 30U);
  const std::string raised = reserve({{"k", 30}}).id;
  must(engine_.limit("k", token_bucket(200, 1000h)));
  cancel(raised);
  EXPECT_EQ(engine_.remaining("k"), 130U);
  const std::string lowered = reserve({{"k", 100}}).id;
  must(engine_.limit("k", token_bucket(50, 1000h)));
  cancel(lowered);
  EXPECT_EQ(engine_.remaining("k"), 0U);
}

TEST_F(Reservations, AKeyIsNotForgottenWhileSomethingIsHeld) {
  must(engine_.limit("p:*", token_bucket(100, 1s)));
  const std::string id = reserve({{"p:1", 10}}, 1h).id;
  engine_.clock.advance(1min);
  must(engine_->tick());
  EXPECT_EQ(engine_->stats().born_keys, 1U);
  cancel(id);
  engine_.clock.advance(1min);
  must(engine_->tick());
  EXPECT_EQ(engine_->stats().born_keys, 0U);
}

TEST_F(Reservations, ARepeatedRequestGetsTheSameReservation) {
  must(engine_.limit("k", token_bucket(100, 1000h)));
  const std::vector<CheckItem> items = {{"k", 10}};
  const ReserveOptions options{.ttl = 1min, .request_id = "one"};
  const ReserveResult first = must(engine_->reserve(items, options)).value;
  engine_.kill();
  engine_.open();
  const ReserveResult again = must(engine_->reserve(items, options)).value;
  EXPECT_EQ(again.id, first.id);
  EXPECT_EQ(again.expires_at, first.expires_at);
  EXPECT_EQ(engine_.remaining("k"), 90U);
  const std::vector<CheckItem> others = {{"k", 11}};
  EXPECT_EQ(engine_->reserve(others, options).code(), Code::kRequestIdConflict);
  must(engine_->charge("k", 5, {.request_id = "two"}));
  must(engine_->charge("k", 5, {.request_id = "two"}));
  EXPECT_EQ(engine_.remaining("k"), 85U);
}

TEST_F(Reservations, SayWhatIsWrong) {
  must(engine_.limit("k", token_bucket(100, 60s)));
  must(engine_.limit("jobs", slots(2, 30s)));
  const std::string id = reserve({{"k", 10}, {"jobs", 1}}).id;
  const auto says = [](const Status& status, std::string_view text) {
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.message();
    EXPECT_THAT(status.message(), HasSubstr(text));
  };
  const std::vector<ActualCost> unknown = {{"x", 1}};
  const std::vector<ActualCost> twice = {{"k", 1}, {"k", 2}};
  const std::vector<ActualCost> huge = {{"k", kMaxUnits + 1}};
  const std::vector<ActualCost> more_slots = {{"jobs", 2}};
  says(engine_->commit(id, unknown).status(), "of key \"x\" is of no key that the reservation holds");
  says(engine_->commit(id, twice).status(), "is given twice");
  says(engine_->commit(id, huge).status(), "must be at most");
  says(engine_->commit(id, more_slots).status(), "must be at most the 1 slots");
  const std::vector<CheckItem> items = {{"k", 1}};
  for (const Nanos ttl : {Nanos(0), Nanos(-1), Nanos(1), Nanos(kMaxReservationTtl + 1ms)}) {
    says(engine_->reserve(items, {.ttl = ttl}).status(), "ttl must be from 1 ms to 366 days");
    says(engine_->renew(id, ttl).status(), "ttl must be from 1 ms to 366 days");
  }
  says(engine_.try_check("jobs").status(), "take them with a reservation");
  says(engine_.try_check_all({{"k", 1}, {"jobs", 1}}).status(), "take them with a reservation");
  says(engine_->charge("jobs", 1, {}).status(), "take them with a reservation");
  says(engine_->charge("k", 0, {}).status(), "cost must be a whole number");
  says(engine_->charge("k", kMaxUnits + 1, {}).status(), "cost must be a whole number");
  const std::vector<CheckItem> too_many = {{"jobs", 3}};
  says(engine_->reserve(too_many, {.ttl = 1s}).status(), "must be from 1 to 2");
  for (const std::string& wrong : {std::string(), std::string(32, 'g'), std::string(32, '0'), id.substr(1),
                                   id.substr(0, 31) + (id.back() == '0' ? "1" : "0")}) {
    EXPECT_EQ(engine_->commit(wrong, {}).code(), Code::kReservationNotFound) << wrong;
    EXPECT_EQ(engine_->reservation(wrong).code(), Code::kReservationNotFound) << wrong;
  }
  EXPECT_EQ(engine_.remaining("k"), 90U);
  EXPECT_EQ(state(id), ReservationState::kHeld);
}

TEST_F(Reservations, TheHistoryTellsOfThem) {
  must(engine_.limit("k", token_bucket(100, 1000h)));
  const std::string id = reserve({{"k", 10}}, 1s, OnExpiry::kReturn).id;
  must(engine_->charge("k", 3, {}));
  engine_.clock.advance(1s);
  EXPECT_EQ(engine_.remaining("k"), 97U);
  commit(id, {{"k", 7}});
  std::vector<EventKind> kinds;
  for (const Event& event : must(engine_->history("k", 100))) kinds.push_back(event.kind);
  EXPECT_THAT(kinds, ElementsAre(EventKind::kConfigured, EventKind::kReserved, EventKind::kCharged, EventKind::kExpired,
                                 EventKind::kSettled));
}

TEST_F(Reservations, SeveralWindowsGiveBackEach) {
  must(engine_.limit("k", several({token_bucket(100, 10s), sliding_log(1000, 1h)})));
  const std::string id = reserve({{"k", 80}}).id;
  engine_.clock.advance(5s);  // 50 of the bucket are refilled
  cancel(id);
  EXPECT_EQ(engine_.status("k").windows[0].remaining, 100U);
  EXPECT_EQ(engine_.status("k").windows[1].remaining, 1000U);
}

}  // namespace
}  // namespace flint::limiter
