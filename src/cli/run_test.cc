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
    if (!call.on_piece || answer.status != 200) return answer;
    for (std::size_t i = 0; i < answer.body.size(); i += 7) {
      if (!call.on_piece(std::string_view(answer.body).substr(i, 7))) break;
    }
    return Answer{};
  }
  Status finish() override { return script_.finish; }

 private:
  Script& script_;
};

class RunTest : public testing::Test {
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
      .repair = [](std::string_view) -> Result<DoctorReport> { return DoctorReport{}; },
      .run_server = [](const server::ServerOptions&) { return Status(); },
      .environment = [](std::string_view) { return std::optional<std::string>(); },
  };
};

constexpr std::string_view kAllowed = R"({"key":"k","allowed":true})";
constexpr std::string_view kDenied = R"({"key":"k","allowed":false})";

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
  asks({"limit", "check", "a\"b"}, R"(POST /v1/check {"key":"a\"b"})", Access::kChange, kAllowed);
  asks({"limit", "check", "k", "--cost", "3"}, R"(POST /v1/check {"key":"k","cost":3})", Access::kChange, kAllowed);
  asks({"limit", "check-all", "a", "b=2"},
       R"(POST /v1/check-all {"items":[{"key":"a","cost":1},{"key":"b","cost":2}]})", Access::kChange, kAllowed);
  asks({"limit", "status", "/v1/x"}, "GET /v1/limits/%2Fv1%2Fx", Access::kRead);
  asks({"limit", "list"}, "GET /v1/limits?limit=1000", Access::kRead, "[]");
  asks({"limit", "list", "--json", "--prefix", "a&b", "--after", "c", "--limit", "9"},
       "GET /v1/limits?limit=9&prefix=a%26b&after=c", Access::kRead, "[]");
  asks({"limit", "reset", "k"}, R"(POST /v1/reset {"key":"k"})", Access::kChange);
  asks({"limit", "history", "k", "--limit", "3"}, "GET /v1/history/k?limit=3", Access::kRead, "[]");
  asks({"limit", "top"}, "GET /v1/top?by=denied", Access::kRead, "[]");
  asks({"limit", "top", "--by", "allowed", "--limit", "3"}, "GET /v1/top?limit=3&by=allowed", Access::kRead, "[]");
  asks({"log", "flush"}, "POST /v1/log/flush", Access::kChange);
  asks({"log", "compact"}, "POST /v1/log/compact", Access::kChange);
}

TEST_F(RunTest, TheExitCodeOfACheckIsItsDecisionInBothForms) {
  for (const std::string format : {"--json", "--cost=1"}) {
    EXPECT_EQ(answered({"limit", "check", "k", format}, {200, std::string(kAllowed)}).exit, Exit::kDone);
    EXPECT_EQ(answered({"limit", "check", "k", format}, {200, std::string(kDenied)}).exit, Exit::kDenied);
  }
  EXPECT_EQ(answered({"limit", "check-all", "k"}, {200, std::string(kDenied)}).exit, Exit::kDenied);
}

TEST_F(RunTest, JsonIsTheAnswerUntouched) {
  const std::string odd = "{ \"key\" :\t\"\\u0041\",\"allowed\":true, \"later\":[1.50] }";
  EXPECT_EQ(answered({"limit", "check", "k", "--json"}, {200, odd}).out, odd + "\n");
  EXPECT_EQ(answered({"limit", "list", "--json"}, {200, odd}).out, odd + "\n");
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
  EXPECT_THAT(answered({"limit", "check", "k"}, {404, "{}"}).err, HasSubstr("HTTP 404"));
}

TEST_F(RunTest, NumbersThatAreNoneAreRefusedBeforeAnythingIsOpened) {
  for (const std::vector<std::string>& line :
       std::vector<std::vector<std::string>>{{"limit", "add", "k", "--rate", "1e3", "--per", "1m"},
                                             {"limit", "add", "k", "--rate", "1", "--per", "1m", "--burst", "+5"},
                                             {"limit", "check", "k", "--cost", "1.5"},
                                             {"limit", "check-all", "k=99999999999999999999"},
                                             {"limit", "list", "--limit", "0x10"},
                                             {"limit", "history", "k", "--limit", ""},
                                             {"limit", "top", "--limit", " 5"},
                                             {"limit", "status", ""}}) {
    const Outcome outcome = run_line(line);
    EXPECT_EQ(outcome.exit, Exit::kUsage) << outcome.err;
    EXPECT_THAT(outcome.err, StartsWith("flint: "));
  }
  EXPECT_TRUE(script_.opened.empty());
}

TEST_F(RunTest, AListIsReadInPages) {
  std::string full = "[";
  for (int i = 0; i < 1000; ++i) full += std::string(i == 0 ? "" : ",") + R"({"key":"k)" + std::to_string(i) + "\"}";
  script_.answers = {{200, full + "]"}, {200, R"([{"key":"last"}])"}};
  const Outcome outcome = run_line({"limit", "list", "--prefix", "k"});
  EXPECT_EQ(outcome.exit, Exit::kDone);
  EXPECT_THAT(script_.asked,
              ElementsAre("GET /v1/limits?prefix=k&limit=1000", "GET /v1/limits?prefix=k&after=k999&limit=1000"));
  EXPECT_THAT(outcome.out, HasSubstr("last"));
}

TEST_F(RunTest, AFailedCloseIsToldAfterTheAnswer) {
  script_.finish = Status(Code::kStorageFailed, "The close failed.");
  const Outcome outcome = answered({"limit", "check", "k"}, {200, std::string(kAllowed)});
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
  EXPECT_EQ(answered({"--data-dir", "d", "doctor"}, {200, R"({"ok":true})"}).exit, Exit::kDone);
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
    const bool asker = code == Code::kInvalidArgument || code == Code::kLimitNotFound;
    EXPECT_EQ(exit_of(code), code == Code::kOk ? Exit::kDone : asker ? Exit::kUsage : Exit::kFailed) << code_name(code);
  }
}

TEST(ExitCodes, OfHttp) {
  for (const int status : {400, 401, 403, 404, 405, 413}) EXPECT_EQ(exit_of_http(status), Exit::kUsage) << status;
  for (const int status : {302, 408, 500, 502, 503, 507}) EXPECT_EQ(exit_of_http(status), Exit::kFailed) << status;
}

}  // namespace
}  // namespace flint::cli
