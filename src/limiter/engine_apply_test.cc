#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/engine_fixture.h"

/// Many limits at once: all of them or none.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::EngineFixture;
using ::testing::HasSubstr;
using testing::must;

constexpr Limit kOne{.rate = 1, .per = 1h, .algorithm = Algorithm::kFixedWindowCounter};
constexpr Limit kTwo{.rate = 2, .per = 1h, .algorithm = Algorithm::kFixedWindowCounter};

class EngineApply : public ::testing::Test {
 protected:
  std::vector<std::string> names() { return testing::keys_of(must(engine_->list({}))); }
  std::string told(const LimitChanges& changes) {
    std::string text;
    for (const LimitChange& change : changes.changes) {
      text += change.before ? (change.after ? "~" : "-") : "+";
      text += change.key + " ";
    }
    return text + "=" + std::to_string(changes.unchanged);
  }

  EngineFixture engine_;
};

TEST_F(EngineApply, SaysWhatChangedInByteOrder) {
  const std::vector<NamedLimit> first = {{"b", kOne}, {"p:*", kOne, {.overrides = true}}, {"a", kOne}};
  EXPECT_EQ(told(must(engine_.apply(first))), "+a +b +p:* =0");
  EXPECT_EQ(told(must(engine_.apply(first))), "=3");
  const std::vector<NamedLimit> second = {{"p:*", kOne}, {"a", kTwo}, {"c", kOne}};
  const LimitChanges changes = must(engine_.apply(second, {.prune = true}));
  EXPECT_EQ(told(changes), "~a -b +c ~p:* =0");
  EXPECT_EQ(changes.changes[0].before->limit, kOne);
  EXPECT_EQ(changes.changes[0].after->limit, kTwo);
  EXPECT_EQ(changes.changes[1].before->limit, kOne);
  EXPECT_TRUE(changes.changes[3].before->options.overrides);
  EXPECT_FALSE(changes.changes[3].after->options.overrides);
  EXPECT_THAT(names(), ElementsAre("a", "c", "p:*"));
}

TEST_F(EngineApply, ADryRunAndWhatIsSoAlreadyWriteNothing) {
  must(engine_.limit("a", kOne));
  const storage::Seq before = engine_.last_seq();
  const std::vector<NamedLimit> limits = {{"a", kTwo}, {"b", kOne}};
  EXPECT_EQ(told(must(engine_.apply(limits, {.prune = true, .dry_run = true}))), "~a +b =0");
  EXPECT_EQ(told(must(engine_.apply(std::vector<NamedLimit>{{"a", kOne}}, {.prune = true}))), "=1");
  EXPECT_EQ(told(must(engine_.apply({}))), "=0");
  EXPECT_EQ(engine_.last_seq(), before);
  EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_F(EngineApply, UsageStaysAsAChangeOfOneLimitLeavesIt) {
  must(engine_.limit("p:*", kTwo));
  EXPECT_TRUE(engine_.allows("p:1", 2));
  must(engine_.limit("a", kTwo));
  EXPECT_TRUE(engine_.allows("a", 2));
  const std::vector<NamedLimit> limits = {{"p:*", {.rate = 5, .per = 1h, .algorithm = Algorithm::kFixedWindowCounter}},
                                          {"p:1", {.rate = 3, .per = 1h, .algorithm = Algorithm::kFixedWindowCounter}},
                                          {"a", {.rate = 4, .per = 1h, .algorithm = Algorithm::kFixedWindowCounter}}};
  must(engine_.apply(limits).status());
  for (const bool reopened : {false, true}) {
    if (reopened) engine_.reopen();
    EXPECT_EQ(engine_.remaining("p:1"), 1U);
    EXPECT_EQ(engine_.remaining("p:2"), 5U);
    EXPECT_EQ(engine_.remaining("a"), 2U);
  }
  EXPECT_THAT(engine_.history("p:1"), ElementsAre(HasSubstr("allowed 2"), HasSubstr("configured")));
}

TEST_F(EngineApply, WhatIsWrongNamesTheLimitAndNothingHappens) {
  const auto refused = [&](const NamedLimit& wrong) {
    const std::vector<NamedLimit> limits = {{"fine", kOne}, wrong};
    const Status status = engine_.apply(limits).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_EQ(engine_.apply(limits, {.dry_run = true}).code(), Code::kInvalidArgument);
    return status.message();
  };
  EXPECT_THAT(refused({"", kOne}), HasSubstr("limits[1].key must be 1 to 512 bytes"));
  EXPECT_THAT(refused({"k", {.rate = 0, .per = 1h}}), HasSubstr("limits[1].rate must be"));
  EXPECT_THAT(refused({"k", {.rate = 1, .per = 0h}}), HasSubstr("limits[1].per must be"));
  EXPECT_THAT(refused({"k", kOne, {.overrides = true}}), HasSubstr("limits[1].override is for patterns"));
  EXPECT_THAT(refused({"fine", kTwo}), HasSubstr("limits[1].key \"fine\" is that of limits[0], too."));
  EXPECT_THAT(refused({"a*b", kOne}), HasSubstr("limits[1]: key \"a*b\" has a *"));
  const std::vector<NamedLimit> many(kMaxLimitsAtOnce + 1, NamedLimit{"k", kOne});
  EXPECT_THAT(engine_.apply(many).status().message(), HasSubstr("limits must be at most 10000, not 10001."));
  EXPECT_THAT(names(), ElementsAre());
  EXPECT_EQ(engine_.last_seq(), 0U);
}

TEST_F(EngineApply, LimitsOfAFileAreChangedByItAlone) {
  must(engine_.limit("mine", kOne));
  must(engine_.apply(std::vector<NamedLimit>{{"a", kOne}, {"p:*", kOne}}, {.prune = true, .from_file = true}).status());
  EXPECT_THAT(names(), ElementsAre("a", "mine", "p:*")) << "what did not come from a file stays";
  EXPECT_EQ(engine_.status("a").source, Source::kFile);
  EXPECT_EQ(engine_.status("p:*").source, Source::kFile);
  EXPECT_EQ(engine_.status("mine").source, Source::kSet);
  EXPECT_EQ(engine_.limit("a", kTwo).code(), Code::kConflict);
  EXPECT_EQ(engine_.remove("a").code(), Code::kConflict);
  EXPECT_EQ(engine_.remove("p:*").code(), Code::kConflict);
  const Status refused = engine_.apply(std::vector<NamedLimit>{{"mine", kTwo}, {"a", kTwo}}).status();
  EXPECT_EQ(refused.code(), Code::kConflict);
  EXPECT_THAT(refused.message(), HasSubstr("limits[1]: the limit of \"a\" comes from the limits file"));
  EXPECT_EQ(must(engine_->remove_prefix("a")).value, 0U);
  must(engine_.limit("a", kOne));
  must(engine_.reset("a"));
  must(engine_.reset("p:*"));
  EXPECT_EQ(engine_.status("p:*").source, Source::kFile);
  EXPECT_EQ(told(must(engine_.apply({}, {.prune = true}))), "-mine =0");

  must(engine_->compact());
  engine_.kill();
  engine_.open();
  EXPECT_EQ(engine_.status("a").source, Source::kFile);
  EXPECT_EQ(engine_.status("p:*").source, Source::kFile);
  must(engine_.limit("p:*", kTwo));
  EXPECT_EQ(engine_.status("p:*").source, Source::kSet) << "no limits file is in use";
  EXPECT_EQ(told(must(engine_.apply({}, {.prune = true, .from_file = true}))), "-a =0");
}

TEST_F(EngineApply, ALimitThatWasSetBecomesTheFiles) {
  must(engine_.limit("a", kOne));
  EXPECT_TRUE(engine_.allows("a"));
  const std::vector<NamedLimit> limits = {{"a", kOne}};
  EXPECT_EQ(told(must(engine_.apply(limits, {.from_file = true}))), "~a =0");
  EXPECT_EQ(engine_.remaining("a"), 0U);
  EXPECT_EQ(told(must(engine_.apply(limits, {.from_file = true}))), "=1");
}

// The first of many parts fit into the segment, and the next one did not: the parts were in the log alone.
TEST_F(EngineApply, AGroupThatDoesNotFitOnTheDiskChangesNothing) {
  std::vector<std::string> keys;
  for (int i = 0; i < 400; ++i) keys.push_back("key " + std::to_string(i) + std::string(200, 'k'));
  std::vector<NamedLimit> limits;
  for (const std::string& key : keys) limits.push_back({key, kOne});
  must(engine_.limit("a", kOne));
  must(engine_->flush());
  engine_.disk().set_capacity(engine_.disk().used_bytes());
  EXPECT_EQ(engine_.apply(limits, {.prune = true}).code(), Code::kDiskFull);
  EXPECT_THAT(names(), ElementsAre("a"));
  engine_.disk().set_capacity({});
  EXPECT_TRUE(engine_.allows("a"));
  engine_.kill();
  engine_.open();
  EXPECT_THAT(names(), ElementsAre("a"));
  EXPECT_EQ(told(must(engine_.apply(limits, {.prune = true}))).substr(0, 3), "-a ");
  engine_.reopen();
  EXPECT_EQ(names().size(), keys.size());
}

TEST_F(EngineApply, AClosedOrReadOnlyLimiterAppliesNothing) {
  const std::vector<NamedLimit> limits = {{"a", kOne}};
  must(engine_->flush());
  engine_.close();
  engine_.options.mode = OpenMode::kReadOnly;
  engine_.open();
  EXPECT_EQ(told(must(engine_.apply(limits, {.dry_run = true}))), "+a =0");
  EXPECT_EQ(engine_.apply(limits).code(), Code::kPermission);
  EXPECT_THAT(names(), ElementsAre());
  must(engine_->close());
  EXPECT_EQ(engine_.apply(limits).code(), Code::kClosed);
}

}  // namespace
}  // namespace flint::limiter
