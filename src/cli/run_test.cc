#include "cli/run.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <deque>
#include <fstream>
#include <system_error>

#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "original/import.h"

namespace flint::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// What a command asked, and what it is answered.
struct Script {
  std::deque<Answer> answers;
  std::vector<std::string> asked;
  std::vector<Access> opened;
  Status finish;
};

class ScriptedCaller final : public Caller {
 public:
  explicit ScriptedCaller(Script& script) : script_(script) {}

  Result<Answer> call(const Call& call) override {
    const std::string method = call.method == api::Method::kGet ? "GET " : "POST ";
    script_.asked.push_back(method + call.path + (call.query.empty() ? "" : "?" + call.query) +
                            (call.body.empty() ? "" : " " + call.body));
    if (script_.answers.empty()) return Status(Code::kUnavailable, "no answer");
    Answer answer = script_.answers.front();
    script_.answers.pop_front();
    return answer;
  }
  std::string name() const override { return "a script"; }
  Status finish() override { return script_.finish; }

 private:
  Script& script_;
};

class RunTest : public ::testing::Test {
 protected:
  struct Outcome {
    Exit exit;
    std::string out;
    std::string err;
  };

  Outcome run_line(const std::vector<std::string>& arguments) {
    std::FILE* out_file = std::tmpfile();
    std::FILE* err_file = std::tmpfile();
    Output out(fileno(out_file));
    Output err(fileno(err_file));
    const Exit exit = run(implementations_, arguments, {out, err, Style(false)});
    return {exit, contents(out_file), contents(err_file)};
  }

  Outcome answered(const std::vector<std::string>& arguments, Answer answer) {
    script_.asked.clear();
    script_.answers = {std::move(answer)};
    return run_line(arguments);
  }

  static std::string contents(std::FILE* file) {
    std::rewind(file);
    std::string text;
    for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
    (void)std::fclose(file);
    return text;
  }

  Script script_;
  Implementations implementations_{
      .open_directory = [this](std::string_view, Access access) -> Result<std::unique_ptr<Caller>> {
        script_.opened.push_back(access);
        return std::unique_ptr<Caller>(std::make_unique<ScriptedCaller>(script_));
      },
      .connect_server = [](const Endpoint&, const HttpOptions&) -> Result<std::unique_ptr<Caller>> {
        return Status(Code::kUnavailable, "nobody listens");
      },
      .inspect = [](std::string_view data_dir) -> Result<DoctorReport> {
        return Status(Code::kNotFound, "nothing at " + std::string(data_dir));
      },
      .repair = [](std::string_view, std::chrono::milliseconds) -> Result<DoctorReport> { return DoctorReport{}; },
      .back_up = [](std::string_view, std::string_view) -> Result<BackupReport> { return BackupReport{}; },
      .import_original = [](const original::ImportOptions&) -> Result<original::ImportReport> {
        return original::ImportReport{};
      },
      .run_server = [](const server::ServerOptions&) { return Status(); },
      .environment = [](std::string_view) { return std::optional<std::string>(); },
  };
};

std::string decision(std::string_view key, std::string_view allowed, int cost = 1) {
  return R"({"key":)" + json::serialize(json::value(key)) + R"(,"allowed":)" + std::string(allowed) + R"(,"cost":)" +
         std::to_string(cost) +
         R"(,"limit":9,"remaining":1,"reset_at":"x","reset_after_ms":1,"retry_after_ms":0,"algorithm":"token_bucket"})";
}
const std::string kAllowed = decision("k", "true");
const std::string kDenied = decision("k", "false");
const std::string kAllDenied = R"({"allowed":false,"denied_key":"k","results":[)" + kDenied + "]}";

const std::string kId = "0123456789abcdef0123456789abcdef";
const std::string kSettled = R"({"ok":true,"results":[)" + decision("k", "true") + "]}";
const std::string kReservation =
    R"({"reservation":")" + kId +
    R"(","state":"held","items":[{"key":"k","cost":2}],"reserved_at":"x","expires_at":"y","on_expiry":"keep",)"
    R"("settled_at":null})";

std::string status(std::string_view key) {
  return R"({"key":")" + std::string(key) +
         R"(","rate":1,"per_millis":1,"burst":null,"algorithm":"token_bucket","remaining":1,"reset_at":"x",)"
         R"("total_allowed":0,"total_denied":0,"total_allowed_cost":0,"total_denied_cost":0,)"
         R"("last_allowed_at":null,"last_denied_at":null,"last_reset_at":null})";
}
constexpr std::string_view kReport =
    R"({"ok":true,"data_dir":"d","limits":0,"aof_bytes":0,"snapshot_exists":false,"snapshot_bytes":0,"last_seq":0,)"
    R"("durable_seq":0,"failed":false,"degraded":false,"findings":[],"files":[]})";

// Symptom: a server without enough descriptors ended with SIGABRT and "terminate called after throwing an instance of".
TEST_F(RunTest, WhatTheSystemRefusesIsAFailureLikeAnyOther) {
  implementations_.run_server = [](const server::ServerOptions&) -> Status {
    throw std::system_error(std::make_error_code(std::errc::too_many_files_open), "epoll");
  };
  const Outcome outcome = run_line({"server", "start"});
  EXPECT_EQ(outcome.exit, Exit::kFailed);
  EXPECT_THAT(outcome.err, HasSubstr("epoll: Too many open files"));
}

TEST_F(RunTest, EachCommandAsksItsEndpoint) {
  const auto asks = [&](const std::vector<std::string>& arguments, std::string_view request, Access access,
                        std::string_view body = R"({"ok":true})") {
    script_.opened.clear();
    answered(arguments, {200, std::string(body)});
    EXPECT_THAT(script_.asked, ElementsAre(request));
    EXPECT_THAT(script_.opened, ElementsAre(access));
  };
  asks({"limit", "add", "k", "--rate", "5", "--per", "1m"}, R"(POST /v1/limits {"key":"k","rate":5,"per":"1m"})",
       Access::kCreate);
  asks({"limit", "add", "k", "--rate=5", "--per=60", "--algorithm=token_bucket", "--burst=9"},
       R"(POST /v1/limits {"key":"k","rate":5,"per":"60","algorithm":"token_bucket","burst":9})", Access::kCreate);
  asks({"limit", "add", "k", "5/m"}, R"(POST /v1/limits {"key":"k","limit":"5/m"})", Access::kCreate);
  asks({"limit", "add", "k", "--limit", "5/m"}, R"(POST /v1/limits {"key":"k","limit":"5/m"})", Access::kCreate);
  asks({"limit", "add", "k", "5", "per", "minute", "--json", "burst 9"},
       R"(POST /v1/limits {"key":"k","limit":"5 per minute burst 9"})", Access::kCreate);
  asks({"limit", "check", "a\"b"}, R"(POST /v1/check {"key":"a\"b"})", Access::kChange, decision("a\"b", "true"));
  asks({"limit", "check", "k", "--cost", "3"}, R"(POST /v1/check {"key":"k","cost":3})", Access::kChange,
       decision("k", "true", 3));
  asks({"limit", "check-all", "a", "b=2"},
       R"(POST /v1/check-all {"items":[{"key":"a","cost":1},{"key":"b","cost":2}]})", Access::kChange,
       R"({"allowed":false,"denied_key":"a","results":[)" + decision("a", "false") + "]}");
  asks({"limit", "status", "/v1/x"}, "GET /v1/limits/%2Fv1%2Fx", Access::kRead, status("/v1/x"));
  asks({"limit", "list"}, "GET /v1/limits?limit=1000", Access::kRead, "[]");
  asks({"limit", "list", "--json", "--prefix", "a&b", "--after", "c", "--limit", "9"},
       "GET /v1/limits?prefix=a%26b&after=c&limit=9", Access::kRead, "[]");
  asks({"limit", "reset", "k"}, R"(POST /v1/reset {"key":"k"})", Access::kChange);
  asks({"limit", "history", "k", "--limit", "3"}, "GET /v1/history/k?limit=3", Access::kRead, "[]");
  asks({"limit", "top"}, "GET /v1/top", Access::kRead, "[]");
  asks({"limit", "top", "--by", "allowed", "--limit", "3"}, "GET /v1/top?by=allowed&limit=3", Access::kRead, "[]");
  asks({"limit", "charge", "k", "--cost", "2"}, R"(POST /v1/charge {"key":"k","cost":2})", Access::kChange,
       decision("k", "false", 2));
  asks({"limit", "reserve", "k=2", "--ttl", "2m", "--on-expiry", "return", "--request-id", "id"},
       R"(POST /v1/reserve {"ttl":"2m","on_expiry":"return","request_id":"id","items":[{"key":"k","cost":2}]})",
       Access::kChange,
       R"({"allowed":true,"denied_key":null,"results":[)" + decision("k", "true", 2) +
           R"(],"reservation":"r","expires_at":"x"})");
  asks({"limit", "commit", kId}, R"(POST /v1/commit {"reservation":")" + kId + "\"}", Access::kChange, kSettled);
  asks({"limit", "commit", kId, "k=1"}, R"(POST /v1/commit {"reservation":")" + kId + R"(","costs":{"k":1}})",
       Access::kChange, kSettled);
  asks({"limit", "cancel", kId}, R"(POST /v1/cancel {"reservation":")" + kId + "\"}", Access::kChange, kSettled);
  asks({"limit", "renew", kId, "--ttl", "90"}, R"(POST /v1/renew {"reservation":")" + kId + R"(","ttl":"90"})",
       Access::kChange, kReservation);
  asks({"limit", "reservation", kId}, "GET /v1/reservations/" + kId, Access::kRead, kReservation);
  asks({"log", "flush"}, "POST /v1/log/flush", Access::kChange);
  asks({"log", "compact"}, "POST /v1/log/compact", Access::kChange);
}

TEST_F(RunTest, TheExitCodeOfACheckIsItsDecisionInBothForms) {
  for (const std::string format : {"--json", "--cost=1"}) {
    EXPECT_EQ(answered({"limit", "check", "k", format}, {200, kAllowed}).exit, Exit::kDone);
    EXPECT_EQ(answered({"limit", "check", "k", format}, {200, kDenied}).exit, Exit::kDenied);
  }
  EXPECT_EQ(answered({"limit", "check-all", "k"}, {200, kAllDenied}).exit, Exit::kDenied);
}

TEST_F(RunTest, JsonIsTheAnswerUntouched) {
  const std::string odd = "{ \"later\" :\t[1.50] , " + kAllowed.substr(1);
  EXPECT_EQ(answered({"limit", "check", "k", "--json"}, {200, odd}).out, odd + "\n");
  const std::string list = "[ " + status("a") + " ,\t" + status("b") + "]";
  EXPECT_EQ(answered({"limit", "list", "--json"}, {200, list}).out, list + "\n");
}

TEST_F(RunTest, AnErrorOfTheApiIsASentenceAndAnExitCode) {
  const Answer unknown{404, R"({"error":"No limit is configured for \"k\".","code":"limit_not_found"})"};
  const Outcome plain = answered({"limit", "check", "k"}, unknown);
  EXPECT_EQ(plain.exit, Exit::kUsage);
  EXPECT_EQ(plain.out, "");
  EXPECT_THAT(plain.err, StartsWith("flint: No limit is configured for \"k\"."));

  const Outcome json = answered({"limit", "check", "k", "--json"}, unknown);
  EXPECT_EQ(json.exit, Exit::kUsage);
  EXPECT_EQ(json.out, unknown.body + "\n");

  EXPECT_EQ(answered({"limit", "check", "k"}, {507, R"({"error":"full","code":"disk_full"})"}).exit, Exit::kFailed);
}

TEST_F(RunTest, AnAnswerThatIsNotFlintsIsAFailure) {
  EXPECT_EQ(answered({"limit", "check", "k"}, {502, "<html>"}).exit, Exit::kFailed);
  EXPECT_EQ(answered({"limit", "check", "k"}, {200, "<html>"}).exit, Exit::kFailed);
  // Symptom: each of these was printed as a denial, or as a decision about the key that was asked.
  for (const std::string& stranger : {std::string("null"), std::string("{}"), decision("other", "true")}) {
    for (const std::string format : {"--json", "--cost=1"}) {
      const Outcome outcome = answered({"limit", "check", "k", format}, {200, stranger});
      EXPECT_EQ(outcome.exit, Exit::kFailed) << stranger;
      EXPECT_THAT(outcome.err, HasSubstr("The answer of a script cannot be trusted: it "));
    }
  }
  for (const std::vector<std::string>& line :
       std::vector<std::vector<std::string>>{{"limit", "check-all", "k"},
                                             {"limit", "add", "k", "--rate", "1", "--per", "1m"},
                                             {"limit", "status", "k"},
                                             {"limit", "list"},
                                             {"limit", "reset", "k"},
                                             {"limit", "history", "k"},
                                             {"limit", "top"},
                                             {"log", "flush"},
                                             {"log", "compact"}}) {
    for (const std::string_view stranger : {"null", "{}", "[null]", "true"}) {
      EXPECT_EQ(answered(line, {200, std::string(stranger)}).exit, Exit::kFailed) << line.back() << " " << stranger;
    }
  }
  EXPECT_THAT(answered({"limit", "check", "k"}, {404, "{}"}).err, HasSubstr("HTTP 404"));
}

TEST_F(RunTest, NumbersThatAreNoneAreRefusedBeforeAnythingIsOpened) {
  for (const std::vector<std::string>& line :
       std::vector<std::vector<std::string>>{{"limit", "add", "k", "--rate", "1e3", "--per", "1m"},
                                             {"limit", "add", "k", "--rate", "1", "--per", "1m", "--burst", "+5"},
                                             {"limit", "add", "k"},
                                             {"limit", "add", "k", "--rate", "1"},
                                             {"limit", "add", "k", "--per", "1m"},
                                             {"limit", "add", "k", "--algorithm", "token_bucket"},
                                             {"limit", "add", "k", "1/m", "--limit", "1/m"},
                                             {"limit", "add", "k", "1/m", "--burst", "5"},
                                             {"limit", "add", "k", "--limit", "1/m", "--rate", "1", "--per", "1m"},
                                             {"limit", "add", "k", "1/m, 5/m"},
                                             {"limit", "add", "k", "m", "1/m"},
                                             {"limit", "add", "k", ""},
                                             {"limit", "check", "k", "--cost", "1.5"},
                                             {"limit", "check-all", "k=99999999999999999999"},
                                             {"limit", "list", "--limit", "0x10"},
                                             {"limit", "history", "k", "--limit", ""},
                                             {"limit", "top", "--limit", " 5"},
                                             {"limit", "charge", "k", "--cost", "1.5"},
                                             {"limit", "commit", kId, "k"},
                                             {"limit", "commit", kId, "k=1", "k=2"},
                                             {"limit", "commit", kId, "k=99999999999999999999"},
                                             {"limit", "reservation", ""},
                                             {"limit", "reservation", "../limits"},
                                             {"limit", "status", ""}}) {
    const Outcome outcome = run_line(line);
    EXPECT_EQ(outcome.exit, Exit::kUsage) << outcome.err;
    EXPECT_THAT(outcome.err, StartsWith("flint: "));
  }
  EXPECT_TRUE(script_.opened.empty());
}

TEST_F(RunTest, AListIsReadInPages) {
  std::string full;
  for (int i = 1000; i < 2000; ++i) full += (i == 1000 ? "" : ",") + status("k" + std::to_string(i));
  const std::string last = status("klast");
  const auto is_asked =
      ElementsAre("GET /v1/limits?prefix=k&limit=1000", "GET /v1/limits?prefix=k&limit=1000&after=k1999");
  script_.answers = {{200, "[" + full + "]"}, {200, "[" + last + "]"}};
  const Outcome outcome = run_line({"limit", "list", "--prefix", "k"});
  EXPECT_EQ(outcome.exit, Exit::kDone);
  EXPECT_THAT(script_.asked, is_asked);
  EXPECT_THAT(outcome.out, HasSubstr("klast"));

  for (const std::string& rest : {last, std::string()}) {
    script_.asked.clear();
    script_.answers = {{200, "[" + full + "]"}, {200, "[" + rest + "]"}};
    const Outcome json = run_line({"limit", "list", "--prefix", "k", "--json"});
    EXPECT_EQ(json.out, "[" + full + (rest.empty() ? "" : "," + rest) + "]\n");
    EXPECT_THAT(script_.asked, is_asked);
  }

  // A list that breaks off is not followed by an error that would make one document of the two.
  script_.answers = {{200, "[" + full + "]"}, {503, R"({"error":"gone","code":"closed"})"}};
  const Outcome broken = run_line({"limit", "list", "--json"});
  EXPECT_EQ(broken.exit, Exit::kFailed);
  EXPECT_EQ(broken.out, "[" + full);
  EXPECT_EQ(broken.err, "flint: gone\n");
}

TEST_F(RunTest, AFailedCloseIsToldAfterTheAnswer) {
  script_.finish = Status(Code::kStorageFailed, "The close failed.");
  const Outcome outcome = answered({"limit", "check", "k"}, {200, kAllowed});
  EXPECT_EQ(outcome.exit, Exit::kFailed);
  EXPECT_THAT(outcome.out, StartsWith("Allowed"));
  EXPECT_EQ(outcome.err, "flint: The close failed.\n");
}

TEST_F(RunTest, OutputThatDoesNotArriveIsAFailure) {
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  Output out(full);
  std::FILE* err_file = std::tmpfile();
  Output err(fileno(err_file));
  const std::vector<std::string> arguments = {"--help"};
  EXPECT_EQ(run(implementations_, arguments, {out, err, Style(false)}), Exit::kFailed);
  EXPECT_THAT(contents(err_file), HasSubstr("Cannot write the answer to standard output"));
  close(full);
}

TEST_F(RunTest, DoctorReadsTheFilesWhenNoServerListens) {
  const Outcome outcome = run_line({"--data-dir", "d", "doctor"});
  EXPECT_EQ(outcome.exit, Exit::kFailed);
  EXPECT_EQ(outcome.err, "flint: nothing at d\n");
}

TEST_F(RunTest, DoctorPrefersTheHoldersReport) {
  implementations_.connect_server = [this](const Endpoint& endpoint, const HttpOptions&) {
    EXPECT_EQ(endpoint.socket_path, "d/flint.sock");
    return Result<std::unique_ptr<Caller>>(std::make_unique<ScriptedCaller>(script_));
  };
  EXPECT_EQ(answered({"--data-dir", "d", "doctor"}, {200, std::string(kReport)}).exit, Exit::kDone);
  EXPECT_THAT(script_.asked, ElementsAre("GET /v1/doctor"));

  const Outcome mute = run_line({"--data-dir", "d", "doctor"});
  EXPECT_EQ(mute.exit, Exit::kFailed);
  EXPECT_THAT(mute.err, HasSubstr("gave no report (no answer). This one is read from its files."));
  EXPECT_THAT(mute.err, HasSubstr("nothing at d"));
}

TEST_F(RunTest, RepairIsForADirectoryOnly) {
  EXPECT_EQ(run_line({"doctor", "--repair"}).exit, Exit::kDone);
  const Outcome outcome = run_line({"--server", "http://h", "doctor", "--repair"});
  EXPECT_EQ(outcome.exit, Exit::kUsage);
  EXPECT_THAT(outcome.err, HasSubstr("Stop the server"));
}

TEST_F(RunTest, EveryCommandsHelpTeaches) {
  for (const Command& command : flint_grammar().commands) {
    std::vector<std::string> arguments;
    std::string words(command.words);
    for (auto blank = words.find(' '); blank != std::string::npos; blank = words.find(' ')) {
      arguments.push_back(words.substr(0, blank));
      words = words.substr(blank + 1);
    }
    arguments.insert(arguments.end(), {words, "--help"});
    const Outcome outcome = run_line(arguments);
    EXPECT_EQ(outcome.exit, Exit::kDone);
    EXPECT_THAT(outcome.out, HasSubstr("Usage: flint [OPTIONS] " + std::string(command.words)));
    EXPECT_THAT(outcome.out, HasSubstr("Example:\n  flint "));
    EXPECT_THAT(outcome.out, HasSubstr("Exit codes: 0 "));
  }
}

TEST(ExitCodes, EveryCodeHasOne) {
  for (int i = 0; i <= static_cast<int>(Code::kUnavailable); ++i) {
    const auto code = static_cast<Code>(i);
    const bool asker =
        code == Code::kInvalidArgument || code == Code::kLimitNotFound || code == Code::kRequestIdConflict;
    EXPECT_EQ(exit_of(code), code == Code::kOk ? Exit::kDone : asker ? Exit::kUsage : Exit::kFailed) << code_name(code);
  }
}

TEST(ExitCodes, OfHttp) {
  for (const int status : {400, 401, 403, 404, 405, 413}) EXPECT_EQ(exit_of_http(status), Exit::kUsage) << status;
  for (const int status : {302, 408, 500, 502, 503, 507}) EXPECT_EQ(exit_of_http(status), Exit::kFailed) << status;
}

}  // namespace
}  // namespace flint::cli
