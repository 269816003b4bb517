#include "cli/answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace flint::cli {
namespace {

using ::testing::HasSubstr;

json::value of(std::string_view text) { return *parse_json(text); }

json::object decision(std::string_view key, std::uint64_t cost, bool allowed) {
  return {{"key", key},
          {"allowed", allowed},
          {"cost", cost},
          {"limit", 10},
          {"remaining", 9},
          {"reset_at", "2026-11-23T18:22:02.123Z"},
          {"reset_after_ms", 1},
          {"retry_after_ms", allowed ? 0 : 5},
          {"algorithm", "token_bucket"}};
}

json::object status(std::string_view key) {
  json::object result =
      of(R"({"rate":1,"per_millis":1,"burst":null,"algorithm":"token_bucket","remaining":1,)"
         R"("reset_at":"x","total_allowed":0,"total_denied":0,"total_allowed_cost":0,)"
         R"("total_denied_cost":0,"last_allowed_at":null,"last_denied_at":null,"last_reset_at":null})")
          .as_object();
  result["key"] = key;
  return result;
}

const std::vector<json::value> kOdd = {
    nullptr, true, 0, -1, 1.5, "x", json::array(), json::object(), json::array{nullptr}};

/// With `good` believed, no answer is that lacks a member of it, has one of another type, or is no object at all.
void expect_strict(const json::object& good, const std::function<Complaint(const json::value&)>& judge) {
  EXPECT_EQ(judge(good), std::nullopt);
  for (const json::value& odd : kOdd) EXPECT_NE(judge(odd), std::nullopt) << odd;
  for (const auto& member : good) {
    json::object lacking = good;
    lacking.erase(member.key());
    EXPECT_NE(judge(lacking), std::nullopt) << "without " << member.key();
    for (const json::value& odd : {json::value(-1), json::value(1.5), json::value(json::array{nullptr})}) {
      json::object wrong = good;
      wrong[member.key()] = odd;
      EXPECT_NE(judge(wrong), std::nullopt) << odd << " as " << member.key();
    }
  }
}

// Symptom: the command took any JSON of a 200 for a decision: `null` was "Denied", and another key's answer was
// believed.
TEST(JudgeDecision, BelievesOnlyAWholeDecisionOfWhatWasAsked) {
  const auto judge = [](const json::value& answer) { return judge_decision(answer, {{"key", "k"}, {"cost", 2}}); };
  expect_strict(decision("k", 2, true), judge);
  expect_strict(decision("k", 2, false), judge);
  EXPECT_THAT(judge(decision("other", 2, true)).value_or(""), HasSubstr("another key"));
  EXPECT_THAT(judge(decision("k", 1, true)).value_or(""), HasSubstr("another cost"));

  json::object blocked = decision("k", 2, false);
  blocked["retry_after_ms"] = nullptr;
  blocked["of_a_later_version"] = json::array{1};
  EXPECT_EQ(judge(blocked), std::nullopt);
  EXPECT_EQ(judge_decision(decision("k", 1, true), {{"key", "k"}}), std::nullopt);
}

TEST(JudgeCheckAll, BelievesOneDecisionForEachItemThatAgreeWithTheWhole) {
  const json::array items = {json::object{{"key", "a"}, {"cost", 1}}, json::object{{"key", "b"}, {"cost", 2}}};
  const auto judge = [&](const json::value& answer) { return judge_check_all(answer, {{"items", items}}); };
  const json::object a = decision("a", 1, true);
  const json::object b = decision("b", 2, true);
  const json::object no_a = decision("a", 1, false);
  const json::object no_b = decision("b", 2, false);
  const auto whole = [](bool allowed, const json::value& denied_key, const json::array& results) {
    return json::object{{"allowed", allowed}, {"denied_key", denied_key}, {"results", results}};
  };
  expect_strict(whole(true, nullptr, {a, b}), judge);
  expect_strict(whole(false, "b", {a, no_b}), judge);
  EXPECT_EQ(judge(whole(false, "a", {no_a})), std::nullopt);

  EXPECT_NE(judge(whole(true, nullptr, {a})), std::nullopt);
  EXPECT_NE(judge(whole(true, nullptr, {b, a})), std::nullopt);
  EXPECT_NE(judge(whole(true, nullptr, {a, no_b})), std::nullopt);
  EXPECT_NE(judge(whole(true, "b", {a, b})), std::nullopt);
  EXPECT_NE(judge(whole(true, nullptr, {a, b, a})), std::nullopt);
  EXPECT_NE(judge(whole(false, "a", {a, no_b})), std::nullopt);
  EXPECT_NE(judge(whole(false, "b", {no_a, no_b})), std::nullopt);
  EXPECT_NE(judge(whole(false, "b", {a, b})), std::nullopt);
  EXPECT_NE(judge(whole(false, nullptr, {})), std::nullopt);
}

TEST(JudgeCheckBatch, BelievesADecisionOrAnErrorForEachCheck) {
  const json::array checks = {json::object{{"key", "a"}, {"cost", 1}}, json::object{{"key", "b"}, {"cost", 2}}};
  const auto judge = [&](const json::value& answer) { return judge_check_batch(answer, {{"checks", checks}}); };
  const auto whole = [](const json::array& results) { return json::object{{"results", results}}; };
  const json::object a = decision("a", 1, true);
  const json::object b = decision("b", 2, false);
  const json::object error = {{"error", "no limit."}, {"code", "limit_not_found"}};
  expect_strict(whole({a, b}), judge);
  EXPECT_EQ(judge(whole({error, b})), std::nullopt);
  EXPECT_NE(judge(whole({a})), std::nullopt);
  EXPECT_NE(judge(whole({a, b, a})), std::nullopt);
  EXPECT_NE(judge(whole({b, a})), std::nullopt);
  EXPECT_NE(judge(whole({a, json::object{{"error", "no limit."}}})), std::nullopt);
  EXPECT_NE(judge(whole({a, json::object{{"error", 1}, {"code", "limit_not_found"}}})), std::nullopt);
}

TEST(JudgeReserve, BelievesAReservationWhereAllIsAllowedAndOnlyThere) {
  const json::array items = {json::object{{"key", "a"}, {"cost", 1}}};
  const auto judge = [&](const json::value& answer) { return judge_reserve(answer, {{"items", items}}); };
  const auto whole = [](bool allowed, const json::value& id, const json::value& until) {
    const json::value denied_key = allowed ? json::value() : json::value("a");
    return json::object{{"allowed", allowed},
                        {"denied_key", denied_key},
                        {"results", json::array{decision("a", 1, allowed)}},
                        {"reservation", id},
                        {"expires_at", until}};
  };
  expect_strict(whole(true, "id", "x"), judge);
  expect_strict(whole(false, nullptr, nullptr), judge);
  EXPECT_NE(judge(whole(true, nullptr, nullptr)), std::nullopt);
  EXPECT_NE(judge(whole(true, "id", nullptr)), std::nullopt);
  EXPECT_NE(judge(whole(false, "id", "x")), std::nullopt);
}

TEST(JudgeSettlement, BelievesTheCostsThatWereAskedFor) {
  const json::object settled = {{"ok", true},
                                {"results", json::array{decision("a", 1, true), decision("b", 5, false)}}};
  const auto judge = [&](const json::object& costs) { return judge_settlement(settled, {{"costs", costs}}); };
  expect_strict(settled, [](const json::value& answer) { return judge_settlement(answer, {}); });
  EXPECT_EQ(judge({{"b", 5}}), std::nullopt);
  EXPECT_NE(judge({{"b", 4}}), std::nullopt);
  EXPECT_NE(judge({{"c", 5}}), std::nullopt);
}

TEST(JudgeReservation, BelievesOnlyTheOneThatWasAsked) {
  const json::object reservation = of(R"({"reservation":"r","state":"held","items":[{"key":"k","cost":2}],)"
                                      R"("reserved_at":"x","expires_at":"y","on_expiry":"keep","settled_at":null})")
                                       .as_object();
  expect_strict(reservation, [](const json::value& answer) { return judge_reservation(answer, {{"id", "r"}}); });
  EXPECT_EQ(judge_reservation(reservation, {{"reservation", "r"}}), std::nullopt);
  EXPECT_NE(judge_reservation(reservation, {{"id", "other"}}), std::nullopt);
}

TEST(JudgeStatus, BelievesOnlyTheKeyThatWasAsked) {
  expect_strict(status("k"), [](const json::value& answer) { return judge_status(answer, {{"key", "k"}}); });
  EXPECT_NE(judge_status(status("other"), {{"key", "k"}}), std::nullopt);
}

// Symptom: a server that answers every page of a list with the same thousand keys kept the command busy for ever.
TEST(JudgePage, BelievesKeysInOrderAndNoMoreThanWereAsked) {
  const auto judge = [](const std::vector<std::string>& keys) {
    json::array answer;
    for (const std::string& key : keys) answer.push_back(status(key));
    return judge_page(answer, {{"prefix", "p"}, {"after", "p1"}, {"limit", 2}});
  };
  EXPECT_EQ(judge({}), std::nullopt);
  EXPECT_EQ(judge({"p2", "p3"}), std::nullopt);
  EXPECT_NE(judge({"p1"}), std::nullopt);
  EXPECT_NE(judge({"p3", "p2"}), std::nullopt);
  EXPECT_NE(judge({"p2", "p2"}), std::nullopt);
  EXPECT_NE(judge({"q"}), std::nullopt);
  EXPECT_NE(judge({"p2", "p3", "p4"}), std::nullopt);
  for (const json::value& odd : kOdd) {
    if (odd == json::array()) continue;
    EXPECT_NE(judge_page(odd, {}), std::nullopt) << odd;
  }
  expect_strict(status("k"), [](const json::value& one) { return judge_page(json::array{one}, {{"limit", 1}}); });
}

TEST(JudgeRanking, BelievesNoMoreThanWereAsked) {
  EXPECT_EQ(judge_ranking(json::array{status("b"), status("a")}, {{"limit", 2}}), std::nullopt);
  EXPECT_NE(judge_ranking(json::array{status("b"), status("a")}, {{"limit", 1}}), std::nullopt);
  EXPECT_NE(judge_ranking(json::array{nullptr}, {{"limit", 1}}), std::nullopt);
}

TEST(JudgeEvents, BelievesEventsWithTheirLimits) {
  const json::object allowed = of(R"({"seq":1,"at":"x","kind":"allowed","cost":1,"count":1})").as_object();
  expect_strict(allowed, [](const json::value& event) { return judge_events(json::array{event}, {{"limit", 1}}); });
  json::object configured = allowed;
  configured["kind"] = "configured";
  EXPECT_NE(judge_events(json::array{configured}, {{"limit", 1}}), std::nullopt);
  const json::object rule = {{"rate", 1}, {"per_millis", 1}, {"burst", nullptr}, {"algorithm", "x"}};
  for (const auto& member : rule) configured[member.key()] = member.value();
  EXPECT_EQ(judge_events(json::array{configured}, {{"limit", 1}}), std::nullopt);
  EXPECT_NE(judge_events(json::array{allowed, allowed}, {{"limit", 1}}), std::nullopt);
}

TEST(JudgeReport, BelievesAWholeReport) {
  const json::object report =
      of(R"({"ok":true,"data_dir":"/d","limits":2,"aof_bytes":1,"snapshot_exists":false,"snapshot_bytes":0,)"
         R"("last_seq":1,"durable_seq":1,"failed":false,"degraded":false,)"
         R"("findings":[{"fatal":false,"message":"m"}],"files":[{"name":"l","kind":"log","bytes":1,"first_seq":1,)"
         R"("last_seq":1,"records":1,"valid_bytes":1}]})")
          .as_object();
  expect_strict(report, [](const json::value& answer) { return judge_report(answer, {}); });
  for (const json::value& odd : kOdd) {
    json::object wrong = report;
    wrong["findings"] = json::array{odd};
    EXPECT_NE(judge_report(wrong, {}), std::nullopt) << odd;
  }
}

TEST(JudgeDone, BelievesOnlyThatItWasDone) {
  EXPECT_EQ(judge_done(of(R"({"ok":true})"), {}), std::nullopt);
  for (const json::value& odd : kOdd) EXPECT_NE(judge_done(odd, {}), std::nullopt) << odd;
  EXPECT_NE(judge_done(of(R"({"ok":false})"), {}), std::nullopt);
  EXPECT_NE(judge_done(of(R"({"ok":1})"), {}), std::nullopt);
}

}  // namespace
}  // namespace flint::cli
