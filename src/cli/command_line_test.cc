#include "cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/commands.h"

namespace flint::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Line = std::vector<std::string>;

Result<ParsedLine> parse(const Line& arguments) { return parse_command_line(flint_grammar(), arguments); }

std::string refusal(const Line& arguments) {
  const Result<ParsedLine> parsed = parse(arguments);
  EXPECT_EQ(parsed.code(), Code::kInvalidArgument);
  return parsed.status().message();
}

TEST(CommandLine, OptionsStandBeforeAndAfterTheCommandInBothSpellings) {
  const auto parsed = parse({"--data-dir", "d", "limit", "add", "--rate=5", "k", "--per", "1m", "--json"});
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed->command->words, "limit add");
  EXPECT_THAT(parsed->invocation.operands, ElementsAre("k"));
  EXPECT_EQ(parsed->invocation.option("--data-dir"), "d");
  EXPECT_EQ(parsed->invocation.option("--rate"), "5");
  EXPECT_EQ(parsed->invocation.option("--per"), "1m");
  EXPECT_TRUE(parsed->invocation.has("--json"));
  EXPECT_FALSE(parsed->invocation.has("--burst"));
}

TEST(CommandLine, EveryCommandIsFoundByItsWords) {
  for (const Command& command : flint_grammar().commands) {
    Line arguments;
    std::string words(command.words);
    if (const auto blank = words.find(' '); blank != std::string::npos) {
      arguments.push_back(words.substr(0, blank));
      words = words.substr(blank + 1);
    }
    arguments.push_back(words);
    for (std::size_t i = 0; i < command.min_operands; ++i) arguments.push_back("k");
    for (const OptionSpec& option : command.options) {
      if (option.is_required) arguments.push_back(std::string(option.name) + "=x");
    }
    const auto parsed = parse(arguments);
    ASSERT_TRUE(parsed.ok()) << command.words << ": " << parsed.status().message();
    EXPECT_EQ(parsed->command, &command);
  }
}

TEST(CommandLine, KeysAreTakenAsTheyAre) {
  const auto parsed = parse({"limit", "check-all", "[a,b]", "{c}", "", "-", "--", "-d", "--json", "--", "limit"});
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_THAT(parsed->invocation.operands, ElementsAre("[a,b]", "{c}", "", "-", "-d", "--json", "--", "limit"));
  EXPECT_FALSE(parsed->invocation.has("--json"));
}

TEST(CommandLine, AnEmptyValueBehindAnEqualsSignIsAValue) {
  const auto parsed = parse({"limit", "add", "k", "--rate=", "--per=1m"});
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed->invocation.option("--rate"), "");
  EXPECT_EQ(parsed->invocation.option("--per"), "1m");
}

TEST(CommandLine, ASignedNumberIsAValueNotAnOption) {
  const auto parsed = parse({"limit", "check", "k", "--cost", "-5"});
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed->invocation.option("--cost"), "-5");
}

TEST(CommandLine, HelpAndVersionWinOverWhatIsMissing) {
  const auto of_command = parse({"limit", "add", "--help"});
  ASSERT_TRUE(of_command.ok());
  EXPECT_EQ(of_command->wants, ParsedLine::Wants::kHelp);
  EXPECT_EQ(of_command->command->words, "limit add");

  const auto of_group = parse({"limit", "-h"});
  ASSERT_TRUE(of_group.ok());
  EXPECT_EQ(of_group->command, nullptr);
  EXPECT_EQ(of_group->words, "limit");

  const auto version = parse({"--version"});
  ASSERT_TRUE(version.ok());
  EXPECT_EQ(version->wants, ParsedLine::Wants::kVersion);
}

// Symptom: "flint help" and "flint" alone were errors.
TEST(CommandLine, HelpIsAWordTooAndNothingIsAskedForWithoutACommand) {
  const auto of_command = parse({"help", "limit", "add"});
  ASSERT_TRUE(of_command.ok());
  EXPECT_EQ(of_command->wants, ParsedLine::Wants::kHelp);
  EXPECT_EQ(of_command->command->words, "limit add");
  EXPECT_EQ(parse({"limit", "help"})->wants, ParsedLine::Wants::kHelp);
  EXPECT_EQ(parse({"limit", "check", "help"})->wants, ParsedLine::Wants::kRun);
  EXPECT_EQ(parse({})->wants, ParsedLine::Wants::kNothing);
  EXPECT_EQ(parse({"limit"})->wants, ParsedLine::Wants::kNothing);
}

TEST(CommandLine, ARefusalSaysWhatToTypeInstead) {
  EXPECT_THAT(refusal({"check", "k"}), HasSubstr("Did you mean \"flint limit check\"?"));
  EXPECT_THAT(refusal({"limit check", "k"}), HasSubstr("There is no command \"limit check\""));
  EXPECT_THAT(refusal({"limit", "chek"}), HasSubstr("There is no command \"limit chek\""));
  EXPECT_THAT(refusal({"--rate", "5", "limit", "add"}), HasSubstr("Options of a command follow it"));
  EXPECT_THAT(refusal({"limit", "check", "-x"}), HasSubstr("flint limit check -- -x. "));
  EXPECT_THAT(refusal({"limit", "list", "-x"}), HasSubstr("has no option \"-x\". Run"));
  EXPECT_THAT(refusal({"limit", "check", "k", "--cost"}), HasSubstr("--cost needs a value: --cost N"));
  EXPECT_THAT(refusal({"limit", "check", "k", "--cost", "--json"}), HasSubstr("--cost needs a value"));
  EXPECT_THAT(refusal({"limit", "check", "k", "--json=no"}), HasSubstr("--json takes no value"));
  EXPECT_THAT(refusal({"limit", "check", "k", "--cost=1", "--cost=1"}), HasSubstr("--cost is given twice"));
  EXPECT_THAT(refusal({"limit", "check"}), HasSubstr("needs KEY"));
  EXPECT_THAT(refusal({"limit", "check", "a", "b"}), HasSubstr("does not take \"b\""));
  EXPECT_THAT(refusal({"limit", "check", "a\xff"}), HasSubstr("Argument 3 (\"a\\xff\") is not valid UTF-8"));
}

}  // namespace
}  // namespace flint::cli
