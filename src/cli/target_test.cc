#include "cli/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "testing/files.h"

namespace flint::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Variables = std::map<std::string, std::string, std::less<>>;

Environment environment_of(Variables variables) {
  return [variables = std::move(variables)](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

Result<Target> choose(Variables options, Variables variables = {}) {
  Invocation invocation;
  invocation.options = std::move(options);
  return choose_target(invocation, environment_of(std::move(variables)));
}

TEST(ChooseTarget, OptionsWinOverTheEnvironmentAndThatOverTheDefault) {
  EXPECT_EQ(choose({})->data_dir, ".flint");
  EXPECT_EQ(choose({}, {{"FLINT_DATA_DIR", "e"}})->data_dir, "e");
  EXPECT_EQ(choose({{"--data-dir", "o"}}, {{"FLINT_DATA_DIR", "e"}})->data_dir, "o");
  EXPECT_EQ(choose({{"--server", "unix:o"}}, {{"FLINT_SERVER", "unix:e"}})->server->socket_path, "o");
  EXPECT_EQ(choose({}, {{"FLINT_SERVER", "unix:e"}})->server->socket_path, "e");
  EXPECT_FALSE(choose({{"--data-dir", "o"}}, {{"FLINT_SERVER", "unix:e"}})->server.has_value());
  EXPECT_TRUE(choose({{"--server", "unix:o"}}, {{"FLINT_DATA_DIR", "e"}})->server.has_value());
}

TEST(ChooseTarget, TwoPlacesAreAnError) {
  EXPECT_THAT(choose({{"--data-dir", "d"}, {"--server", "unix:s"}}).status().message(),
              HasSubstr("--data-dir and --server are given together"));
  EXPECT_THAT(choose({}, {{"FLINT_DATA_DIR", "d"}, {"FLINT_SERVER", "unix:s"}}).status().message(),
              HasSubstr("are both set"));
  EXPECT_THAT(choose({{"--data-dir", ""}}).status().message(), HasSubstr("--data-dir must not be empty"));
}

TEST(ChooseTarget, TheTimeoutIsADuration) {
  EXPECT_EQ(choose({})->http.timeout, std::chrono::seconds(10));
  EXPECT_EQ(choose({{"--timeout", "250ms"}})->http.timeout, std::chrono::milliseconds(250));
  EXPECT_THAT(choose({{"--timeout", "soon"}}).status().message(), HasSubstr("--timeout must be a duration"));
  EXPECT_THAT(choose({{"--timeout", "0"}}).status().message(), HasSubstr("--timeout must be a duration"));
}

TEST(ChooseTarget, TheLockTimeoutIsADurationOrZero) {
  EXPECT_EQ(choose({})->lock_timeout, std::chrono::seconds(10));
  EXPECT_EQ(choose({{"--lock-timeout", "0"}})->lock_timeout, std::chrono::milliseconds(0));
  EXPECT_EQ(choose({{"--lock-timeout", "250ms"}})->lock_timeout, std::chrono::milliseconds(250));
  for (const char* text : {"", "soon", "-1", "2d"}) {
    EXPECT_THAT(choose({{"--lock-timeout", text}}).status().message(), HasSubstr("--lock-timeout must be 0 or"));
  }
}

// Symptom: of two runs of this test at the same time, one read the file while the other had just emptied it.
TEST(ChooseToken, FromTheOptionTheFileOrTheEnvironment) {
  const testing::TemporaryDirectory folder;
  const std::string file = folder.path_of("token");
  std::ofstream(file) << "from-file\n";
  EXPECT_EQ(choose({})->http.token, "");
  EXPECT_EQ(choose({}, {{"FLINT_SERVER_TOKEN", "e"}})->http.token, "e");
  EXPECT_EQ(choose({{"--token", "o"}}, {{"FLINT_SERVER_TOKEN", "e"}})->http.token, "o");
  EXPECT_EQ(choose({{"--token-file", file}}, {{"FLINT_SERVER_TOKEN", "e"}})->http.token, "from-file");
  EXPECT_THAT(choose({{"--token", "o"}, {"--token-file", file}}).status().message(), HasSubstr("given together"));
  EXPECT_THAT(choose({{"--token-file", file + ".absent"}}).status().message(), HasSubstr("Cannot read the token file"));
}

TEST(ChooseToken, OfAFileWithSeveralTheServerTakesAllAndAClientTheMostAble) {
  const testing::TemporaryDirectory folder;
  const std::string file = folder.path_of("tokens");
  std::ofstream(file) << "# of the web service\ncheck one\nadmin two\n";
  const Result<Target> target = choose({{"--token-file", file}});
  ASSERT_TRUE(target.ok()) << target.status().message();
  EXPECT_EQ(target->tokens.role_of("one"), api::Role::kCheck);
  EXPECT_EQ(target->tokens.size(), 2U);
  EXPECT_EQ(target->http.token, "two");
  std::ofstream(file) << "check one\nreader two\n";
  EXPECT_THAT(choose({{"--token-file", file}}).status().message(),
              AllOf(HasSubstr("tokens\" cannot be used. Line 2 of the tokens"), Not(HasSubstr("two"))));
}

TEST(ChooseToken, WhatCannotStandInAHeaderIsRefusedWithoutBeingShown) {
  for (const char* token : {"", "two words", "a\r\nX-Evil: 1", "caf\xc3\xa9"}) {
    const auto target = choose({{"--token", token}});
    ASSERT_FALSE(target.ok()) << token;
    EXPECT_EQ(target.status().message(),
              "The token from --token must be 1 to 512 visible ASCII characters without spaces. Give one that the "
              "server uses.");
  }
}

// Symptom: `--token-file .` ended the process by an exception, and `--token-file /dev/zero` filled the memory.
TEST(ChooseToken, AFileThatIsNoneOrHasNoEndIsRefused) {
  EXPECT_THAT(choose({{"--token-file", ::testing::TempDir()}}).status().message(), HasSubstr("Is a directory"));
  EXPECT_THAT(choose({{"--token-file", "/dev/zero"}}).status().message(), HasSubstr("more than 65536 bytes"));
}

class NamedCaller final : public Caller {
 public:
  explicit NamedCaller(std::string name) : name_(std::move(name)) {}
  Result<Answer> call(const Call&) override { return Answer{200, name_}; }
  std::string name() const override { return name_; }
  Status finish() override { return {}; }

 private:
  std::string name_;
};

Result<std::unique_ptr<Caller>> named(std::string name) {
  return std::unique_ptr<Caller>(std::make_unique<NamedCaller>(std::move(name)));
}

std::string reached(const Result<std::unique_ptr<Caller>>& caller) {
  return caller.ok() ? (*caller)->call({})->body : caller.status().message();
}

const Status kLocked(Code::kDataDirLocked, "held by process 7");
const Status kRefused(Code::kUnavailable, "refused");

Result<std::unique_ptr<Caller>> is_locked(std::string_view, Access) { return kLocked; }
Result<std::unique_ptr<Caller>> listens(const Endpoint& endpoint, const HttpOptions&) { return named(endpoint.text); }
Result<std::unique_ptr<Caller>> refuses(const Endpoint&, const HttpOptions&) { return kRefused; }

TEST(Reach, AServerIsAskedAndNothingElse) {
  Target target;
  target.server = unix_endpoint("s");
  const OpenDirectory never = [](std::string_view, Access) -> Result<std::unique_ptr<Caller>> {
    ADD_FAILURE() << "opened a directory";
    return kLocked;
  };
  EXPECT_EQ(reached(reach(target, Access::kRead, never, listens)), "unix:s");
  EXPECT_EQ(reached(reach(target, Access::kRead, never, refuses)), "refused");
}

TEST(Reach, AServerThatHoldsTheDirectoryIsAskedThroughItsSocket) {
  Target target;
  target.data_dir = "d";
  EXPECT_EQ(reached(reach(target, Access::kRead, is_locked, listens)), "unix:d/flint.sock");
}

TEST(Reach, AHolderThatIsNoServerIsNamed) {
  Target target;
  target.data_dir = "d";
  target.lock_timeout = std::chrono::milliseconds(30);
  EXPECT_EQ(reached(reach(target, Access::kRead, is_locked, refuses)), "held by process 7");
}

TEST(Reach, AHolderThatIsSoonGoneIsWaitedFor) {
  Target target;
  target.data_dir = "d";
  int tries = 0;
  const OpenDirectory third_time = [&](std::string_view data_dir, Access) {
    return ++tries < 3 ? Result<std::unique_ptr<Caller>>(kLocked) : named(std::string(data_dir));
  };
  EXPECT_EQ(reached(reach(target, Access::kRead, third_time, refuses)), "d");
}

TEST(Reach, AnyOtherFailureIsFinal) {
  const OpenDirectory damaged = [](std::string_view, Access) -> Result<std::unique_ptr<Caller>> {
    return Status(Code::kCorruption, "damaged");
  };
  EXPECT_EQ(reached(reach({}, Access::kRead, damaged, listens)), "damaged");
}

}  // namespace
}  // namespace flint::cli
