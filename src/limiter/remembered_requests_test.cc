#include "limiter/remembered_requests.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "testing/choices.h"
#include "testing/seed.h"

namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::Random;

RememberedRequest request(const std::string& id, storage::Seq seq, Time at) {
  return {.id = digest_of(id), .request = digest_of("of " + id), .seq = seq, .at = {at, {}}, .verdicts = {{}}};
}

TEST(RememberedRequests, ADigestIsTheSameOnEveryMachine) {
  EXPECT_EQ(testing::hex(digest_of("order-7")), "2d9c88c56386527b8af80e6fdf042554");
}

TEST(RememberedRequests, AreKnownForTenMinutes) {
  RememberedRequests requests;
  requests.remember(request("a", 1, Time(1h)));
  ASSERT_NE(requests.find(digest_of("a"), Time(1h + 10min - 1ns)), nullptr);
  EXPECT_EQ(requests.find(digest_of("a"), Time(1h))->request, digest_of("of a"));
  EXPECT_EQ(requests.find(digest_of("a"), Time(1h + 10min)), nullptr);
  EXPECT_EQ(requests.find(digest_of("b"), Time(1h)), nullptr);
}

TEST(RememberedRequests, AnIdMayComeAgainBeforeTheOldOneIsLetGoOf) {
  RememberedRequests requests;
  for (storage::Seq seq = 1; seq <= 100; ++seq) requests.remember(request(std::to_string(seq), seq, Time(1h)));
  requests.remember(request("100", 101, Time(2h)));
  EXPECT_GT(requests.size(), 1U) << "a crowd goes some at a time";
  EXPECT_EQ(requests.find(digest_of("100"), Time(2h))->seq, 101U);
  requests.forget_old(Time(2h), 1'000);
  EXPECT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests.find(digest_of("100"), Time(2h))->seq, 101U);
  EXPECT_EQ(requests.dropped(), 0U);
}

TEST(RememberedRequests, TheOldestMakesRoom) {
  RememberedRequests requests(3);
  for (storage::Seq seq = 1; seq <= 5; ++seq) requests.remember(request(std::to_string(seq), seq, Time(1h)));
  EXPECT_EQ(requests.size(), 3U);
  EXPECT_EQ(requests.dropped(), 2U);
  EXPECT_EQ(requests.find(digest_of("2"), Time(1h)), nullptr);
  EXPECT_NE(requests.find(digest_of("3"), Time(1h)), nullptr);
}

TEST(RememberedRequests, AreThoseOfTheLastTenMinutes) {
  Random random(testing::test_seed());
  RememberedRequests requests;
  std::map<std::string, RememberedRequest> model;
  Time now(1h);
  for (storage::Seq seq = 1; seq <= 5'000; ++seq) {
    now += Nanos(static_cast<std::int64_t>(random.pick(random.one_in(100) ? 1'200'000'000'000 : 20'000'000'000)));
    const std::string id = std::to_string(random.pick(60));
    const auto known = model.find(id);
    const bool is_known = known != model.end() && now - known->second.at.time < kRequestsRememberedFor;
    const RememberedRequest* found = requests.find(digest_of(id), now);
    ASSERT_EQ(found != nullptr, is_known) << id;
    if (is_known) {
      EXPECT_EQ(found->seq, known->second.seq);
    } else {
      requests.remember(request(id, seq, now));
      model[id] = request(id, seq, now);
    }
    if (random.one_in(20)) requests.forget_old(now, random.pick(100));
  }
}

}  // namespace
}  // namespace flint::limiter
