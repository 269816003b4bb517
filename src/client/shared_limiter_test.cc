#include "flint/shared_limiter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "testing/test_server.h"

namespace flint {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string url(std::uint16_t port) { return "http://127.0.0.1:" + std::to_string(port); }

class SharedLimiterTest : public ::testing::Test {
 protected:
  std::unique_ptr<SharedLimiter> open(SharedOptions options = {}) {
    auto opened = SharedLimiter::open(url(server_.open_port()), options);
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    return std::move(*opened);
  }

  testing::TestServer server_;
  std::unique_ptr<SharedLimiter> shared_ = open();
};

/// All that does not depend on the moment.
void expect_same(const Decision& one, const Decision& other) {
  EXPECT_EQ(one.key, other.key);
  EXPECT_EQ(one.allowed, other.allowed);
  EXPECT_EQ(one.cost, other.cost);
  EXPECT_EQ(one.capacity, other.capacity);
  EXPECT_EQ(one.remaining, other.remaining);
  EXPECT_EQ(one.algorithm, other.algorithm);
  EXPECT_EQ(one.retry_after_ms.has_value(), other.retry_after_ms.has_value());
  EXPECT_EQ(one.would_deny, other.would_deny);
  EXPECT_EQ(one.keys_full, other.keys_full);
  ASSERT_EQ(one.windows().size(), other.windows().size());
  for (std::size_t i = 0; i < one.windows().size(); ++i) {
    EXPECT_EQ(one.windows()[i].limit, other.windows()[i].limit);
    EXPECT_EQ(one.windows()[i].remaining, other.windows()[i].remaining);
  }
}

const Limit kLimits[] = {
    {.rate = 5, .per = hours(1)},
    {.rate = 5, .per = hours(24), .burst = 9},
    {.rate = 5, .per = hours(1), .algorithm = Algorithm::kSlidingWindowLog},
    {.rate = 5, .per = hours(1), .algorithm = Algorithm::kSlidingWindowCounter},
    {.rate = 5, .algorithm = Algorithm::kFixedWindowCounter, .align = Align::kYear, .timezone = "Europe/Berlin"},
    {.rate = 5, .algorithm = Algorithm::kFixedWindowCounter, .align = Align::kYear},
    {.rate = 5, .per = hours(1), .further = {{.rate = 9, .per = hours(24)}}},
};

TEST_F(SharedLimiterTest, AnswersWhatALimiterDoes) {
  const auto direct = std::move(*Limiter::open_in_memory());
  int number = 0;
  for (const Limit& limit : kLimits) {
    for (const Mode mode : {Mode::kEnforce, Mode::kShadow, Mode::kBlock}) {
      const std::string key = "a/ü " + std::to_string(++number);
      for (int i = 0; i < 2; ++i) ASSERT_TRUE(shared_->limit(key, limit, {.mode = mode}).ok());
      ASSERT_TRUE(direct->limit(key, limit, {.mode = mode}).ok());
      for (const Units cost : {2, 3, 4}) {
        const Result<Decision> shared = shared_->check(key, cost);
        ASSERT_TRUE(shared.ok()) << shared.status().message();
        expect_same(*shared, *direct->check(key, cost));
      }
      const Result<LimitStatus> status = shared_->status(key);
      const Result<LimitStatus> expected = direct->status(key);
      ASSERT_TRUE(status.ok()) << status.status().message();
      EXPECT_EQ(status->limit, limit);
      EXPECT_EQ(status->mode, mode);
      EXPECT_EQ(status->remaining, expected->remaining);
      EXPECT_EQ(status->total_allowed, expected->total_allowed);
      EXPECT_EQ(status->total_denied_cost, expected->total_denied_cost);
      EXPECT_EQ(status->would_deny, expected->would_deny);
      EXPECT_EQ(status->last_allowed_at.has_value(), expected->last_allowed_at.has_value());
      EXPECT_EQ(status->windows.size(), expected->windows.size());
    }
  }
  EXPECT_THAT(*shared_->list(), SizeIs(number));
}

TEST_F(SharedLimiterTest, ChecksCarryLimitsDryRunsAndRequestIds) {
  const Limit limit{.rate = 3, .per = hours(1)};
  EXPECT_EQ(shared_->check("k", 2, {.limit = limit, .dry_run = true})->remaining, 1U);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(shared_->check("k", 2, {.limit = limit, .request_id = "one"})->remaining, 1U);
  }
  EXPECT_EQ(shared_->check("k", 1, {.limit = limit, .request_id = "one"}).code(), Code::kRequestIdConflict);
  EXPECT_EQ(shared_->status("k")->source, Source::kCarried);

  const CheckItem items[] = {{.key = "k", .cost = 1, .limit = &limit}, {.key = "l", .cost = 4, .limit = &limit}};
  EXPECT_THAT(shared_->check_all(items).status().message(), HasSubstr("cost 4 is above the capacity of key \"l\""));
  const CheckItem fitting[] = {items[0], {.key = "l", .cost = 3, .limit = &limit}};
  EXPECT_TRUE(shared_->check_all(fitting, {.dry_run = true})->allowed);
  EXPECT_TRUE(shared_->check_all(fitting)->allowed);
  const Result<CheckAllResult> denied = shared_->check_all(fitting);
  ASSERT_TRUE(denied.ok());
  EXPECT_EQ(denied->denied_key, "k");
  EXPECT_THAT(denied->results, SizeIs(1));
}

TEST_F(SharedLimiterTest, ABatchAnswersEachCheckByItself) {
  ASSERT_TRUE(shared_->limit("k", {.rate = 2, .per = hours(1)}).ok());
  const BatchCheck checks[] = {{.key = "k", .cost = 2}, {.key = "no limit"}, {.key = "\xff"}, {.key = "k"}};
  const auto results = shared_->check_batch(checks);
  ASSERT_TRUE(results.ok()) << results.status().message();
  ASSERT_THAT(*results, SizeIs(4));
  EXPECT_TRUE((*results)[0]->allowed);
  EXPECT_EQ((*results)[1].code(), Code::kLimitNotFound);
  EXPECT_EQ((*results)[2].code(), Code::kInvalidArgument);
  EXPECT_FALSE((*results)[3]->allowed);
  EXPECT_TRUE(shared_->check_batch({})->empty());
}

TEST_F(SharedLimiterTest, ChargesAndReservationsAreThoseOfALimiter) {
  const auto direct = std::move(*Limiter::open_in_memory());
  const auto both = [&](const auto& ask) { return std::pair(ask(*shared_), ask(*direct)); };
  const Limit limit{.rate = 10, .per = hours(24)};
  const CheckItem items[] = {{.key = "a", .cost = 6, .limit = &limit},
                             {.key = "b \"quoted\"", .cost = 5, .limit = &limit}};
  const ReserveOptions options{.ttl = std::chrono::minutes(1), .on_expiry = OnExpiry::kReturn};
  const auto [shared, expected] = both([&](auto& limiter) { return *limiter.reserve(items, options); });
  ASSERT_TRUE(shared.allowed());
  EXPECT_EQ(shared.id.size(), expected.id.size());
  ASSERT_THAT(shared.decision.results, SizeIs(2));
  for (std::size_t i = 0; i < 2; ++i) expect_same(shared.decision.results[i], expected.decision.results[i]);
  EXPECT_FALSE(shared_->reserve(items, options)->allowed());
  EXPECT_EQ(shared_->status("a")->reserved, 6U);

  const Result<ReservationStatus> held = shared_->reservation(shared.id);
  ASSERT_TRUE(held.ok()) << held.status().message();
  EXPECT_EQ(held->state, ReservationState::kHeld);
  EXPECT_EQ(held->on_expiry, OnExpiry::kReturn);
  EXPECT_EQ(held->items[1].key, items[1].key);
  EXPECT_EQ(held->expires_at, *shared.expires_at);
  EXPECT_GT(shared_->renew(shared.id, hours(1))->expires_at, held->expires_at);
  EXPECT_EQ(shared_->renew(shared.id, Nanos(1)).code(), Code::kInvalidArgument);

  const ActualCost costs[] = {{.key = items[1].key, .cost = 2}};
  const Result<Settlement> settled = shared_->commit(shared.id, costs);
  const Result<Settlement> settled_directly = direct->commit(expected.id, costs);
  ASSERT_TRUE(settled.ok()) << settled.status().message();
  ASSERT_THAT(settled->results, SizeIs(2));
  for (std::size_t i = 0; i < 2; ++i) expect_same(settled->results[i], settled_directly->results[i]);
  EXPECT_THAT(shared_->cancel(shared.id)->results, SizeIs(2));
  EXPECT_EQ(shared_->reservation(shared.id)->state, ReservationState::kCommitted);
  EXPECT_EQ(shared_->cancel(std::string(32, '0')).code(), Code::kReservationNotFound);
  EXPECT_EQ(shared_->cancel("\xff").code(), Code::kInvalidArgument);
  EXPECT_EQ(shared_->reservation("a/b").code(), Code::kInvalidArgument);

  for (const Units cost : {3, 30}) {
    const auto [charged, same] = both([&](auto& limiter) { return *limiter.charge("c", cost, {.limit = limit}); });
    expect_same(charged, same);
  }
  EXPECT_FALSE(shared_->check("c", 1, {.limit = limit})->allowed);
}

TEST_F(SharedLimiterTest, OperatorsWorkIsDoneToo) {
  for (int i = 0; i < 12; ++i) {
    const std::string key = "k" + std::to_string(10 + i);
    ASSERT_TRUE(shared_->limit(key, {.rate = 1, .per = hours(1)}).ok());
    ASSERT_TRUE(shared_->check(key).ok());
  }
  ASSERT_TRUE(shared_->limit("ip:*", {.rate = 1, .per = hours(1)}, {.overrides = true}).ok());
  ASSERT_TRUE(shared_->check("ip:1").ok());
  EXPECT_THAT(*shared_->list({.prefix = "k1", .after = "k11", .max_rows = 3}), SizeIs(3));
  EXPECT_THAT(*shared_->list({.prefix = "ip:"}), SizeIs(1));
  EXPECT_THAT(*shared_->list({.prefix = "ip:", .keys = true}), SizeIs(2));
  EXPECT_TRUE(shared_->status("ip:*")->overrides);
  EXPECT_EQ(shared_->status("ip:*")->keys, 1U);

  EXPECT_FALSE(shared_->check("k10")->allowed);
  ASSERT_TRUE(shared_->reset("k10").ok());
  EXPECT_TRUE(shared_->check("k10")->allowed);
  EXPECT_EQ(shared_->reset_prefix("k2").status().message(), "");
  EXPECT_TRUE(shared_->check("k20")->allowed);
  const auto events = shared_->history("k10");
  ASSERT_TRUE(events.ok()) << events.status().message();
  EXPECT_EQ(events->front().kind, EventKind::kConfigured);
  EXPECT_EQ(events->front().limit, (Limit{.rate = 1, .per = hours(1)}));
  EXPECT_EQ(events->back().kind, EventKind::kAllowed);
  EXPECT_EQ(shared_->top(TopBy::kDenied, 5)->front().key, "k10");

  ASSERT_TRUE(shared_->remove("k10").ok());
  EXPECT_EQ(shared_->remove("k10").code(), Code::kLimitNotFound);
  EXPECT_EQ(*shared_->remove_prefix("k"), 11U);
  for (const Status& status : {shared_->flush(), shared_->compact(), shared_->health()}) {
    EXPECT_TRUE(status.ok()) << status.message();
  }
}

TEST_F(SharedLimiterTest, FailuresHaveTheCodesOfTheLibrary) {
  EXPECT_EQ(shared_->check("nobody").code(), Code::kLimitNotFound);
  EXPECT_EQ(shared_->check("k", 0).code(), Code::kInvalidArgument);
  EXPECT_EQ(shared_->check("", 1).code(), Code::kInvalidArgument);
  EXPECT_EQ(shared_->limit("k", {.rate = 0, .per = hours(1)}).code(), Code::kInvalidArgument);
  EXPECT_EQ(shared_->check("k*", 1).code(), Code::kInvalidArgument);
  shared_->close();
  EXPECT_EQ(shared_->check("k").code(), Code::kClosed);

  for (const char* bad : {"", "localhost:7878", "ftp://a", "unix:"}) {
    EXPECT_EQ(SharedLimiter::open(bad).code(), Code::kInvalidArgument) << bad;
  }
  EXPECT_EQ(SharedLimiter::open("http://a", {.timeout = milliseconds(0)}).code(), Code::kInvalidArgument);
  EXPECT_EQ(SharedLimiter::open("http://a", {.token = "a b"}).code(), Code::kInvalidArgument);
  EXPECT_EQ(SharedLimiter::open("https://a", {.ca_file = "absent"}).code(), Code::kInvalidArgument);
  EXPECT_EQ((*SharedLimiter::open("unix:" + server_.data_dir() + "/absent"))->health().code(), Code::kUnavailable);
}

TEST_F(SharedLimiterTest, TheTokenIsSentAndItsAbsenceSaid) {
  const std::string address = url(server_.token_port());
  const auto without = std::move(*SharedLimiter::open(address));
  EXPECT_EQ(without->health().code(), Code::kPermission);
  EXPECT_THAT(without->health().message(), HasSubstr("SharedOptions::token"));
  const auto checker = std::move(*SharedLimiter::open(address, {.token = "checker"}));
  EXPECT_TRUE(checker->health().ok());
  EXPECT_EQ(checker->reset("k").code(), Code::kPermission);
  const auto admin = std::move(*SharedLimiter::open(address, {.token = testing::TestServer::kToken}));
  EXPECT_EQ(admin->reset("k").code(), Code::kLimitNotFound);
}

TEST_F(SharedLimiterTest, AUnixSocketServesToo) {
  const auto local = std::move(*SharedLimiter::open("unix:" + server_.data_dir() + "/flint.sock"));
  ASSERT_TRUE(local->limit("k", {.rate = 1, .per = hours(1)}).ok());
  EXPECT_TRUE(local->check("k")->allowed);
  EXPECT_FALSE(shared_->check("k")->allowed);
}

TEST_F(SharedLimiterTest, ManyThreadsTogetherGetWhatTheLimitAllows) {
  ASSERT_TRUE(shared_->limit("k", {.rate = 300, .per = hours(24 * 30)}).ok());
  std::atomic<int> allowed = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const Result<Decision> decision = shared_->check("k");
        ASSERT_TRUE(decision.ok()) << decision.status().message();
        if (decision->allowed) ++allowed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(allowed, 300);
}

TEST_F(SharedLimiterTest, AForkedChildMakesConnectionsOfItsOwn) {
  ASSERT_TRUE(shared_->limit("k", {.rate = 2, .per = hours(1)}).ok());
  const pid_t child = ::fork();
  if (child == 0) ::_exit(shared_->check("k")->allowed ? 0 : 1);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(shared_->check("k")->allowed);
  EXPECT_FALSE(shared_->check("k")->allowed);
}

TEST(SharedLimiterAlone, AServerThatIsGoneIsOneFailure) {
  std::unique_ptr<SharedLimiter> shared;
  {
    const testing::TestServer server;
    shared = std::move(*SharedLimiter::open(url(server.open_port())));
    ASSERT_TRUE(shared->health().ok());
  }
  EXPECT_EQ(shared->check("k").code(), Code::kUnavailable);
  EXPECT_THAT(shared->check("k").status().message(), AllOf(HasSubstr("Cannot reach"), HasSubstr("Connection refused")));
}

template <typename AnyLimiter>
void expect_acquire_waits(AnyLimiter& limiter) {
  const auto now = [] { return std::chrono::steady_clock::now(); };
  const AcquireOptions patient{.timeout = milliseconds(20'000)};
  ASSERT_TRUE(limiter.limit("k", {.rate = 1, .per = milliseconds(300)}).ok());
  EXPECT_TRUE(acquire(limiter, "k", 1, patient)->allowed);
  const auto begin = now();
  EXPECT_TRUE(acquire(limiter, "k", 1, patient)->allowed);
  EXPECT_GE(now() - begin, milliseconds(100));
  EXPECT_EQ(limiter.status("k")->total_denied, 1U);

  ASSERT_TRUE(limiter.limit("slow", {.rate = 1, .per = hours(1)}).ok());
  EXPECT_TRUE(acquire(limiter, "slow", 1, {})->allowed);
  EXPECT_FALSE(acquire(limiter, "slow", 1, {})->allowed);
  const auto before = now();
  const Result<Decision> denied = acquire(limiter, "slow", 1, {.timeout = milliseconds(50)});
  EXPECT_GE(now() - before, milliseconds(50));
  ASSERT_TRUE(denied.ok());
  EXPECT_FALSE(denied->allowed);
  EXPECT_GT(denied->retry_after_ms, 1000U);
  EXPECT_EQ(limiter.status("slow")->total_denied, 2U);
  EXPECT_EQ(acquire(limiter, "nobody", 1, patient).code(), Code::kLimitNotFound);
}

TEST_F(SharedLimiterTest, AcquireWaitsAtLeastAsLongAsADenialSays) { expect_acquire_waits(*shared_); }

TEST(Acquire, WaitsAtLeastAsLongAsADenialSays) { expect_acquire_waits(*std::move(*Limiter::open_in_memory())); }

}  // namespace
}  // namespace flint
