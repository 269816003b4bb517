#include "backend/local.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "testing/files.h"

namespace flint::backend {
namespace {

/// Keeps each answer under its number.
class Answers final : public Asker {
 public:
  void answered(std::uint64_t number, Answer&& answer) override {
    EXPECT_TRUE(answers.emplace(number, std::move(answer)).second) << "answered twice: " << number;
    order.push_back(number);
  }
  [[nodiscard]] bool has(std::uint64_t number) const { return answers.contains(number); }
  template <typename T>
  [[nodiscard]] const T& as(std::uint64_t number) const {
    return std::get<T>(answers.at(number));
  }

  std::map<std::uint64_t, Answer> answers;
  std::vector<std::uint64_t> order;
};

class LocalBackendTest : public ::testing::Test {
 protected:
  void open(SyncMode sync) {
    Options options;
    options.sync = sync;
    limiter_ = std::move(*Limiter::open(directory_.path(), options));
    backend_ = std::make_unique<LocalBackend>(*limiter_);
    queue_ = backend_->open_queue({.batch_begins = [this] { ++batches_; },
                                   .wake =
                                       [this] {
                                         const std::lock_guard lock(mutex_);
                                         ++wakes_;
                                         woken_.notify_all();
                                       }});
    ASSERT_TRUE(limiter_->limit("a", {.rate = 10, .per = std::chrono::hours(24)}).ok());
    ASSERT_TRUE(limiter_->limit("b", {.rate = 1, .per = std::chrono::hours(24)}).ok());
  }
  void await_wake() {
    std::unique_lock lock(mutex_);
    woken_.wait(lock, [this] { return wakes_ > 0; });
    --wakes_;
  }
  /// Ends the batch, and hands answers over until there are `count`.
  void finish(const Answers& answers, std::size_t count) {
    queue_->end_batch();
    while (answers.answers.size() < count) {
      await_wake();
      queue_->deliver();
    }
  }

  testing::TemporaryDirectory directory_;
  std::unique_ptr<Limiter> limiter_;
  std::unique_ptr<LocalBackend> backend_;
  std::unique_ptr<Queue> queue_;
  int batches_ = 0;

  std::mutex mutex_;
  std::condition_variable woken_;
  int wakes_ = 0;
};

TEST_F(LocalBackendTest, AnswersAtOnceWhatWaitsForNothing) {
  open(SyncMode::kBatch);
  Answers answers;
  queue_->submit(Check{"a", 3}, answers, 1);
  queue_->submit(CheckAll{std::vector<CheckItem>{{"a", 1}}}, answers, 2);
  queue_->submit(ReadStatus{"a"}, answers, 3);
  queue_->submit(ReadHealth{}, answers, 4);
  queue_->submit(Check{"nobody", 1}, answers, 5);
  EXPECT_EQ(answers.order, (std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(answers.as<Decision>(1).remaining, 7U);
  EXPECT_TRUE(answers.as<CheckAllResult>(2).allowed);
  EXPECT_EQ(answers.as<LimitStatus>(3).remaining, 6U);
  EXPECT_FALSE(answers.as<Health>(4).serving);
  EXPECT_EQ(answers.as<Status>(5).code(), Code::kLimitNotFound);
  EXPECT_EQ(batches_, 0);
}

TEST_F(LocalBackendTest, ABatchKeepsTheOrderOfChecksThatCouldNotBeRead) {
  open(SyncMode::kAlways);
  Answers answers;
  const std::vector<Result<BatchCheck>> checks = {Status(Code::kInvalidArgument, "unreadable"), BatchCheck{"a", 3},
                                                  BatchCheck{"nobody"}, Status(Code::kInvalidArgument, "this too"),
                                                  BatchCheck{"a", 1}};
  queue_->submit(CheckBatch{checks}, answers, 1);
  EXPECT_TRUE(answers.order.empty()) << "told before it was durable";
  finish(answers, 1);
  const auto& results = answers.as<BatchResult>(1);
  ASSERT_EQ(results.size(), checks.size());
  EXPECT_EQ(results[0].status().message(), "unreadable");
  EXPECT_EQ(results[1]->remaining, 7U);
  EXPECT_EQ(results[2].code(), Code::kLimitNotFound);
  EXPECT_EQ(results[3].status().message(), "this too");
  EXPECT_EQ(results[4]->remaining, 6U);
}

TEST_F(LocalBackendTest, ReservesAndSettlesAfterTheCommit) {
  open(SyncMode::kAlways);
  Answers answers;
  const std::vector<CheckItem> items = {{"a", 4}};
  queue_->submit(Reserve{items, {.ttl = std::chrono::minutes(1)}}, answers, 1);
  queue_->submit(Charge{"b", 5}, answers, 2);
  EXPECT_TRUE(answers.order.empty()) << "told before it was durable";
  finish(answers, 2);
  const std::string id = answers.as<ReserveResult>(1).id;
  EXPECT_FALSE(answers.as<Decision>(2).allowed) << "a debt";

  queue_->submit(ReadReservation{id}, answers, 3);
  EXPECT_EQ(answers.as<ReservationStatus>(3).items.at(0).cost, 4U);
  queue_->submit(Renew{id, std::chrono::hours(1)}, answers, 4);
  const std::vector<ActualCost> costs = {{"a", 1}};
  queue_->submit(Commit{id, costs}, answers, 5);
  EXPECT_FALSE(answers.has(4) || answers.has(5)) << "told before it was durable";
  finish(answers, 5);
  EXPECT_GT(answers.as<ReservationStatus>(4).expires_at, answers.as<ReserveResult>(1).expires_at);
  EXPECT_EQ(answers.as<Settlement>(5).results.at(0).remaining, 9U);
  queue_->submit(Cancel{id}, answers, 6);
  finish(answers, 6);
  EXPECT_EQ(answers.as<Settlement>(6).results.at(0).cost, 1U) << "settled already";
  queue_->submit(Reserve{std::vector<CheckItem>{{"b", 1}}, {.ttl = std::chrono::minutes(1)}}, answers, 7);
  EXPECT_TRUE(answers.as<ReserveResult>(7).id.empty());
  queue_->submit(Cancel{"nobody"}, answers, 8);
  EXPECT_EQ(answers.as<Status>(8).code(), Code::kReservationNotFound);
}

TEST_F(LocalBackendTest, AnswersAfterTheCommitAndInOrder) {
  open(SyncMode::kAlways);
  Answers answers;
  for (std::uint64_t number = 0; number < 5; ++number) queue_->submit(Check{"a", 1}, answers, number);
  EXPECT_TRUE(answers.order.empty()) << "told before it was durable";
  EXPECT_EQ(batches_, 1) << "one batch begins once";
  finish(answers, 5);
  EXPECT_EQ(answers.order, (std::vector<std::uint64_t>{0, 1, 2, 3, 4}));
  EXPECT_TRUE(limiter_->is_durable({limiter_->stats().last_seq}));
  for (std::uint64_t number = 0; number < 5; ++number) EXPECT_EQ(answers.as<Decision>(number).remaining, 9 - number);
}

TEST_F(LocalBackendTest, ADenialOvertakesWhatWaits) {
  open(SyncMode::kAlways);
  ASSERT_TRUE(limiter_->check("b").ok());
  Answers answers;
  queue_->submit(Check{"a", 1}, answers, 1);
  queue_->submit(Check{"b", 1}, answers, 2);
  EXPECT_EQ(answers.order, std::vector<std::uint64_t>{2});
  EXPECT_FALSE(answers.as<Decision>(2).allowed);
  finish(answers, 2);
}

TEST_F(LocalBackendTest, ABatchThatComesDuringACommitIsInTheNext) {
  open(SyncMode::kAlways);
  Answers answers;
  queue_->submit(Check{"a", 1}, answers, 1);
  queue_->end_batch();
  queue_->submit(Check{"a", 1}, answers, 2);
  queue_->end_batch();
  finish(answers, 2);
  EXPECT_EQ(answers.order, (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(LocalBackendTest, SaysWhatALimitWasBefore) {
  open(SyncMode::kAlways);
  Answers answers;
  const Limit now{.rate = 5, .per = std::chrono::seconds(1)};
  queue_->submit(SetLimit{"a", now}, answers, 1);
  queue_->submit(SetLimit{"new", now}, answers, 2);
  queue_->submit(Reset{"a"}, answers, 3);
  finish(answers, 3);
  EXPECT_EQ(answers.as<LimitSet>(1).before->rate, 10U);
  EXPECT_EQ(answers.as<LimitSet>(1).now, now);
  EXPECT_FALSE(answers.as<LimitSet>(2).before);
  EXPECT_EQ(answers.as<LimitSet>(2).key, "new");
  EXPECT_EQ(answers.as<UsageReset>(3).key, "a");
}

TEST_F(LocalBackendTest, WhoIsForgottenIsNotAnswered) {
  open(SyncMode::kAlways);
  Answers stays;
  {
    Answers goes;
    queue_->submit(Check{"a", 1}, goes, 1);
    queue_->submit(Check{"a", 1}, stays, 2);
    queue_->forget(goes);
  }
  finish(stays, 1);
  EXPECT_EQ(stays.as<Decision>(2).remaining, 8U) << "what was decided stays decided";
}

TEST_F(LocalBackendTest, AQueueThatIsGoneWakesNobody) {
  open(SyncMode::kAlways);
  Answers answers;
  queue_->submit(Check{"a", 1}, answers, 1);
  queue_->end_batch();
  queue_.reset();
  const int wakes = wakes_;
  ASSERT_TRUE(limiter_->flush().ok());
  const std::lock_guard lock(mutex_);
  EXPECT_EQ(wakes_, wakes);
  EXPECT_TRUE(answers.order.empty());
}

TEST_F(LocalBackendTest, RunsAnyOperationUntilItIsDurable) {
  open(SyncMode::kAlways);
  const auto run = [&](const Operation& operation) {
    std::optional<Answer> answer;
    backend_->run(operation, [&answer](Answer given) { answer = std::move(given); });
    return *std::move(answer);
  };
  EXPECT_TRUE(std::get<Decision>(run(Check{"a", 1})).allowed);
  EXPECT_TRUE(limiter_->is_durable({limiter_->stats().last_seq}));
  EXPECT_EQ(std::get<std::vector<LimitStatus>>(run(List{})).size(), 2U);
  EXPECT_EQ(std::get<std::vector<Event>>(run(ReadHistory{"a", 10})).size(), 2U);
  EXPECT_EQ(std::get<std::vector<LimitStatus>>(run(Top{TopBy::kAllowed, 10})).size(), 1U);
  EXPECT_TRUE(std::holds_alternative<Done>(run(Flush{})));
  EXPECT_TRUE(std::holds_alternative<Done>(run(Compact{})));
  EXPECT_TRUE(std::get<DoctorReport>(run(Examine{})).ok);
  EXPECT_EQ(std::get<Status>(run(ReadHistory{"nobody", 10})).code(), Code::kLimitNotFound);
}

TEST_F(LocalBackendTest, AClosedLimiterIsAFailure) {
  open(SyncMode::kAlways);
  ASSERT_TRUE(limiter_->close().ok());
  Answers answers;
  queue_->submit(Check{"a", 1}, answers, 1);
  queue_->submit(ReadHealth{}, answers, 2);
  EXPECT_EQ(answers.as<Status>(1).code(), Code::kClosed);
  EXPECT_EQ(answers.as<Status>(2).code(), Code::kClosed);
  EXPECT_EQ(backend_->health().code(), Code::kClosed);
}

TEST_F(LocalBackendTest, WhatBlocksIsNotSubmitted) {
  open(SyncMode::kBatch);
  Answers answers;
  EXPECT_DEATH(queue_->submit(Flush{}, answers, 1), "what blocks is run");
}

}  // namespace
}  // namespace flint::backend
