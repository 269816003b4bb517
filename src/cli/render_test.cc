#include "cli/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>

#include "cli/render_reservations.h"

/// Golden texts: what people read.
namespace flint::cli {
namespace {

const Style kPlain(false);

json::value of(std::string_view text) { return *parse_json(text); }

constexpr std::string_view kStatus =
    R"({"key":"api:x","rate":100,"per_millis":60000,"burst":150,"algorithm":"token_bucket","remaining":149,)"
    R"("reset_at":"2026-11-23T18:22:02.123Z","total_allowed":1,"total_denied":0,"total_allowed_cost":1,)"
    R"("total_denied_cost":0,"last_allowed_at":"2026-11-23T18:22:01.523Z","last_denied_at":null,"last_reset_at":null})";

TEST(RenderDecision, Allowed) {
  const Shown shown = render_decision(of(R"({"key":"api:x","allowed":true,"cost":1,"limit":100,"remaining":99,)"
                                         R"("reset_after_ms":600,"retry_after_ms":0})"),
                                      {}, kPlain);
  EXPECT_EQ(shown.text, "Allowed: 1 of \"api:x\"; 99 of 100 remaining, full again in 600 ms.\n");
  EXPECT_EQ(shown.exit, Exit::kDone);
}

TEST(RenderDecision, Denied) {
  const Shown shown = render_decision(of(R"({"key":"api:x","allowed":false,"cost":5,"limit":100,"remaining":2,)"
                                         R"("reset_after_ms":58800,"retry_after_ms":1801})"),
                                      {}, kPlain);
  EXPECT_EQ(shown.text, "Denied: 5 of \"api:x\"; 2 of 100 remaining, full again in 58.8 s.\nTry again in 1.9 s.\n");
  EXPECT_EQ(shown.exit, Exit::kDenied);
}

TEST(RenderCheckAll, Allowed) {
  const Shown shown = render_check_all(
      of(R"({"allowed":true,"denied_key":null,"results":[{"key":"a","allowed":true,"cost":1,"limit":10,"remaining":9,)"
         R"("retry_after_ms":0},{"key":"long:key","allowed":true,"cost":10,"limit":100,"remaining":90,)"
         R"("retry_after_ms":0}]})"),
      {}, kPlain);
  EXPECT_EQ(shown.text,
            "KEY       DECISION  COST  REMAINING  LIMIT  RETRY IN\n"
            "a         allowed      1          9     10         -\n"
            "long:key  allowed     10         90    100         -\n"
            "Allowed: 2 keys, all together.\n");
  EXPECT_EQ(shown.exit, Exit::kDone);
}

TEST(RenderCheckAll, Denied) {
  const Shown shown = render_check_all(
      of(R"({"allowed":false,"denied_key":"b","results":[{"key":"a","allowed":true,"cost":1,"limit":10,"remaining":10,)"
         R"("retry_after_ms":0},{"key":"b","allowed":false,"cost":3,"limit":10,"remaining":2,"retry_after_ms":250}]})"),
      {}, kPlain);
  EXPECT_EQ(shown.text,
            "KEY  DECISION  COST  REMAINING  LIMIT  RETRY IN\n"
            "a    allowed      1         10     10         -\n"
            "b    denied       3          2     10    250 ms\n"
            "Denied by \"b\"; nothing was consumed. Try again in 250 ms.\n");
  EXPECT_EQ(shown.exit, Exit::kDenied);
}

TEST(RenderCheckBatch, AFailureCountsMoreThanADenial) {
  const std::string allowed = R"({"key":"a","allowed":true,"cost":1,"limit":10,"remaining":9,"retry_after_ms":0})";
  const std::string denied = R"({"key":"b","allowed":false,"cost":3,"limit":10,"remaining":2,"retry_after_ms":250})";
  const std::string failed = R"({"error":"no limit is configured for key \"c\".","code":"limit_not_found"})";
  const json::object asked{
      {"checks", json::array{json::object{{"key", "a"}, {"cost", 1}}, json::object{{"key", "b"}, {"cost", 3}},
                             json::object{{"key", "c"}, {"cost", 1}}}}};
  const auto shown = [&](const std::string& results) {
    return render_check_batch(of(R"({"results":[)" + results + "]}"), asked, kPlain);
  };
  EXPECT_EQ(shown(allowed).exit, Exit::kDone);
  EXPECT_EQ(shown(allowed + "," + denied).exit, Exit::kDenied);
  const Shown whole = shown(allowed + "," + denied + "," + failed);
  EXPECT_EQ(whole.exit, Exit::kUsage);
  EXPECT_EQ(whole.text,
            "KEY  DECISION  COST  REMAINING  LIMIT  RETRY IN\n"
            "a    allowed      1          9     10         -\n"
            "b    denied       3          2     10    250 ms\n"
            "c    failed       1          -      -         -\n"
            "Failed: no limit is configured for key \"c\".\n");
}

constexpr std::string_view kOne =
    R"("results":[{"key":"k","allowed":true,"cost":2,"limit":10,"remaining":8,"retry_after_ms":0}])";

TEST(RenderCharge, SaysSoWhereItDidNotFit) {
  const auto shown = [](std::string_view allowed, std::string_view remaining) {
    return render_charge(of(R"({"key":"k","allowed":)" + std::string(allowed) + R"(,"cost":5,"limit":10,"remaining":)" +
                            std::string(remaining) + R"(,"reset_after_ms":600})"),
                         {}, kPlain);
  };
  EXPECT_EQ(shown("true", "5").text, "Charged: 5 to \"k\"; 5 of 10 remaining, full again in 600 ms.\n");
  EXPECT_EQ(shown("false", "0").text,
            "Charged: 5 to \"k\"; 0 of 10 remaining, full again in 600 ms.\n"
            "It did not fit, and was charged all the same.\n");
  EXPECT_EQ(shown("false", "0").exit, Exit::kDone);
}

TEST(RenderReserve, NamesTheReservationIfThereIsOne) {
  const std::string allowed = R"({"allowed":true,"denied_key":null,)" + std::string(kOne);
  const Shown shown = render_reserve(of(allowed + R"(,"reservation":"8c1f","expires_at":"2026"})"), {}, kPlain);
  EXPECT_EQ(shown.text,
            "KEY  DECISION  COST  REMAINING  LIMIT  RETRY IN\n"
            "k    allowed      2          8     10         -\n"
            "Allowed: 1 key.\n"
            "Reservation 8c1f, held until 2026.\n");
  EXPECT_EQ(shown.exit, Exit::kDone);
  const Shown denied = render_reserve(
      of(R"({"allowed":false,"denied_key":"k","results":[{"key":"k","allowed":false,"cost":2,"limit":10,"remaining":1,)"
         R"("retry_after_ms":250}],"reservation":null,"expires_at":null})"),
      {}, kPlain);
  EXPECT_THAT(denied.text, ::testing::EndsWith("Denied by \"k\"; nothing was consumed. Try again in 250 ms.\n"));
  EXPECT_EQ(denied.exit, Exit::kDenied);
}

TEST(RenderSettlement, ShowsWhatWasChargedInTheEnd) {
  const json::object asked{{"reservation", "8c1f"}};
  EXPECT_EQ(render_settlement(of(R"({"ok":true,)" + std::string(kOne) + "}"), asked, kPlain).text,
            "KEY  CHARGED  REMAINING  LIMIT\n"
            "k          2          8     10\n"
            "Reservation 8c1f is settled.\n");
  EXPECT_THAT(
      render_settlement(of(R"({"ok":true,"results":[{"key":"k","allowed":false,"cost":12}]})"), asked, kPlain).text,
      ::testing::HasSubstr("\nWhat \"k\" cost beyond its reserved units did not fit, and was charged all the "
                           "same.\n"));
}

TEST(RenderReservation, ShowsWhatItHolds) {
  EXPECT_EQ(render_reservation(of(R"({"reservation":"8c1f","state":"held","items":[{"key":"k","cost":2}],)"
                                  R"("reserved_at":"a","expires_at":"b","on_expiry":"keep","settled_at":null})"),
                               {}, kPlain)
                .text,
            "8c1f\n"
            "state        held\n"
            "reserved at  a\n"
            "expires at   b\n"
            "on expiry    keep\n"
            "settled at   -\n"
            "holds        2 of \"k\"\n");
}

TEST(RenderStatus, ShowsEverything) {
  EXPECT_EQ(render_status(of(kStatus), {}, kPlain).text,
            "api:x\n"
            "limit          100/m burst 150\n"
            "algorithm      token_bucket\n"
            "remaining      149\n"
            "full again at  2026-11-23T18:22:02.123Z\n"
            "allowed        1 (1 units), last 2026-11-23T18:22:01.523Z\n"
            "denied         0 (0 units), last -\n"
            "last reset     -\n");
}

TEST(RenderStatus, ShowsTheLimitAsItCanBeSet) {
  const auto limit_line = [](std::string_view rule) {
    const std::string text = render_status(of("{" + std::string(rule) + "}"), {}, kPlain).text;
    const std::size_t begin = text.find("limit");
    return text.substr(begin, text.find('\n', begin) - begin);
  };
  EXPECT_EQ(limit_line(R"("rate":5,"per_millis":1000,"burst":5,"algorithm":"token_bucket")"), "limit          5/s");
  EXPECT_EQ(limit_line(R"("rate":5,"per_millis":5400000,"burst":null,"algorithm":"sliding_window_log")"),
            "limit          5/90m sliding_window_log");
  EXPECT_EQ(limit_line(R"("rate":5,"per_millis":1000,"burst":null,"algorithm":"of_tomorrow")"),
            "limit          5/s of_tomorrow");
}

TEST(RenderStatuses, IsATable) {
  EXPECT_EQ(render_statuses(of("[" + std::string(kStatus) + "]"), {}, kPlain).text,
            "KEY    LIMIT            REMAINING  ALLOWED  DENIED  LAST ALLOWED              LAST DENIED\n"
            "api:x  100/m burst 150        149        1       0  2026-11-23T18:22:01.523Z  -\n");
}

TEST(RenderStatuses, AHostileKeyDoesNothingToTheTerminal) {
  const std::string text = render_statuses(of(R"([{"key":"\u001b]0;x\u0007"}])"), {}, kPlain).text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(text.find("\\u001b]0;x\\u0007"), std::string::npos);
}

TEST(RenderDecision, AnAnswerOfAStrangerReadsAsNothing) {
  EXPECT_EQ(render_decision(of("[1]"), {}, kPlain).text,
            "Denied: - of \"-\"; - of - remaining, full again in -.\n"
            "It is blocked, and no time makes it pass.\n");
  EXPECT_THAT(render_status(of(R"({"rate":1,"per_millis":99999999999999})"), {}, kPlain).text,
              ::testing::StartsWith("-\nlimit          -\n"));
}

// It exited with 0 on "ok no", so that a script that asked took a degraded store for a sound one.
TEST(RenderDoctor, ExitsByWhetherTheDirectoryIsSound) {
  EXPECT_EQ(render_doctor(of(R"({"ok":true,"findings":[]})"), {}, kPlain).exit, Exit::kDone);
  EXPECT_EQ(render_doctor(of(R"({"ok":false,"findings":[{"fatal":false,"message":"m"}]})"), {}, kPlain).exit,
            Exit::kFailed);
  EXPECT_EQ(render_doctor(of(R"({"ok":true,"findings":[{"fatal":false,"message":"m"}]})"), {}, kPlain).exit,
            Exit::kDone);
  EXPECT_EQ(render_doctor(of(R"({"ok":false,"findings":[{"fatal":true,"message":"m"}]})"), {}, kPlain).exit,
            Exit::kFailed);
  EXPECT_EQ(render_doctor(of(R"({"ok":false,"failed":true,"findings":[]})"), {}, kPlain).exit, Exit::kFailed);
}

TEST(RenderDoctor, ShowsFindingsFactsAndFiles) {
  const Shown shown = render_doctor(
      of(R"({"ok":true,"limits":2,"aof_bytes":1536,"snapshot_exists":false,)"
         R"("findings":[{"fatal":false,"message":"It is on tmpfs."}],)"
         R"("files":[{"name":"log.1","kind":"log","bytes":4096,"first_seq":1,"last_seq":9,"records":9,)"
         R"("valid_bytes":64},)"
         R"({"name":"manifest","kind":"manifest","bytes":102,"first_seq":0,"last_seq":0,"records":0,"valid_bytes":0},)"
         R"({"name":"snap","kind":"snapshot","bytes":70,"first_seq":5,"last_seq":5,"records":2,"valid_bytes":0}]})"),
      {}, kPlain);
  EXPECT_EQ(shown.text,
            "The data directory is sound.\n"
            "notice: It is on tmpfs.\n"
            "\n"
            "ok               yes\n"
            "limits           2\n"
            "log bytes        1.5 KiB\n"
            "snapshot exists  no\n"
            "\n"
            "FILE      KIND      BYTES  VALID  RECORDS  FIRST  LAST\n"
            "log.1     log        4096     64        9      1     9\n"
            "manifest  manifest    102      -        -      -     -\n"
            "snap      snapshot     70      -        2      5     5\n");
}

// Symptom: the doctor said "limits 1, last seq 0" of a damaged directory, as if it were nearly empty.
TEST(RenderDoctor, SaysNothingOfTheContentOfAStoreThatDoesNotOpen) {
  const Shown shown =
      render_doctor(of(R"({"ok":false,"data_dir":"/d","limits":1,"aof_bytes":0,"last_seq":0,)"
                       R"("findings":[{"fatal":true,"message":"log.1: bad record at offset 64."}],)"
                       R"("files":[{"name":"log.1","kind":"log","bytes":4096,"first_seq":1,"last_seq":9,"records":9,)"
                       R"("valid_bytes":64}]})"),
                    {}, kPlain);
  EXPECT_EQ(shown.text,
            "The data directory does not open.\n"
            "fatal: log.1: bad record at offset 64.\n"
            "\n"
            "ok        no\n"
            "data dir  /d\n"
            "\n"
            "FILE   KIND  BYTES  VALID  RECORDS  FIRST  LAST\n"
            "log.1  log    4096     64        9      1     9\n");
}

}  // namespace
}  // namespace flint::cli
