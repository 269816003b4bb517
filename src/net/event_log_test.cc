#include "net/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace flint::net {
namespace {

using ::testing::MatchesRegex;
using ::testing::StartsWith;

TEST(EventLog, EscapesWhatCouldForgeALineOrSteerATerminal) {
  EXPECT_EQ(escaped_for_log("plain, é and 😀"), "plain, é and 😀");
  EXPECT_EQ(escaped_for_log("a\nb\r\x1b[2J\x7f"), "a\\x0ab\\x0d\\x1b[2J\\x7f");
  EXPECT_EQ(escaped_for_log("\xc2\x9b"), "\\xc2\\x9b");
  EXPECT_EQ(escaped_for_log("\xff and \xe2\x82"), "\\xff and \\xe2\\x82");
  EXPECT_EQ(escaped_for_log(std::string_view("\0", 1)), "\\x00");
}

/// What `work` logs.
template <typename Work>
std::string logged(LogLevel level, LogFormat format, const Work& work) {
  ::testing::internal::CaptureStderr();
  {
    EventLog log(level, format);
    work(log);
  }
  return ::testing::internal::GetCapturedStderr();
}

void say_hello(EventLog& log) { log.warning("greeting", "say \"hello\"\n\\o/"); }

constexpr const char* kTime = "2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z";
constexpr std::size_t kTimeBytes = 24;

TEST(EventLog, WritesALineOfTextForPeople) {
  const std::string line = logged(LogLevel::kInfo, LogFormat::kText, say_hello);
  EXPECT_THAT(line.substr(0, kTimeBytes), MatchesRegex(kTime));
  EXPECT_EQ(line.substr(kTimeBytes), " warning: say \"hello\"\\x0a\\o/\n");
}

TEST(EventLog, WritesALineOfJsonForPrograms) {
  const std::string line = logged(LogLevel::kInfo, LogFormat::kJson, say_hello);
  const std::string begin = R"({"time":")";
  EXPECT_EQ(line.substr(0, begin.size()), begin);
  EXPECT_THAT(line.substr(begin.size(), kTimeBytes), MatchesRegex(kTime));
  EXPECT_EQ(line.substr(begin.size() + kTimeBytes),
            R"(","level":"warning","event":"greeting","message":"say \"hello\"\\x0a\\o/"})"
            "\n");
}

TEST(EventLog, IsJsonWhereNobodyLooks) {
  EXPECT_THAT(logged(LogLevel::kInfo, LogFormat::kAuto, say_hello), StartsWith("{")) << "captured in a file";
}

// Lines in the journal had no priority, so that `journalctl -p warning` showed none.
TEST(EventLog, TellsTheJournalThePriorityOfEachLine) {
  const auto to_journal = [](LogFormat format, std::string stream) {
    return logged(LogLevel::kInfo, format, [&](EventLog&) {
      struct stat error {};
      EXPECT_EQ(fstat(STDERR_FILENO, &error), 0);
      if (stream.empty()) stream = std::to_string(error.st_dev) + ":" + std::to_string(error.st_ino);
      setenv("JOURNAL_STREAM", stream.c_str(), 1);
      EventLog log(LogLevel::kInfo, format);
      unsetenv("JOURNAL_STREAM");
      log.info("a", "1");
      log.warning("b", "2");
      log.error("c", "3");
    });
  };
  EXPECT_THAT(to_journal(LogFormat::kText, ""), MatchesRegex("<6>2.* info: 1\n<4>2.* warning: 2\n<3>2.* error: 3\n"));
  EXPECT_THAT(to_journal(LogFormat::kJson, ""), MatchesRegex("<6>[{].*[}]\n<4>[{].*[}]\n<3>[{].*[}]\n"));
  EXPECT_THAT(to_journal(LogFormat::kText, "1:2"), StartsWith("2")) << "standard error is not the journal any more";
}

TEST(EventLog, OfAFileKeepsTwoOfABoundedLength) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "flint-event-log";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  const std::filesystem::path file = folder / "server.log";
  {
    const Result<std::unique_ptr<EventLog>> log = EventLog::open(LogLevel::kInfo, LogFormat::kAuto, file.string());
    ASSERT_TRUE(log.ok()) << log.status().message();
    say_hello(**log);
    std::ifstream begun(file);
    const std::string line{std::istreambuf_iterator<char>(begun), {}};
    EXPECT_THAT(line, MatchesRegex(std::string(kTime) + " warning: say .hello..x0a.o/\n"));
    const std::string long_text(kMaxLogFileBytes / 4, 'x');
    for (int i = 0; i < 20; ++i) (*log)->info("much", long_text);
  }
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    EXPECT_LE(entry.file_size(), kMaxLogFileBytes);
    ++files;
  }
  EXPECT_EQ(files, 2U);
  std::filesystem::remove_all(folder);
  EXPECT_EQ(EventLog::open(LogLevel::kInfo, LogFormat::kAuto, "/dev/null/server.log").code(), Code::kIoError);
}

TEST(EventLog, LeavesOutWhatIsBelowItsLevel) { EXPECT_EQ(logged(LogLevel::kError, LogFormat::kText, say_hello), ""); }

TEST(RepeatedWarning, CountsWhatItLeavesOut) {
  const RepeatedWarning::Clock::time_point start;
  const std::string log = logged(LogLevel::kInfo, LogFormat::kText, [&](EventLog& to) {
    RepeatedWarning warning(to, "flood", "It rains");
    for (const auto at : {start, start, start + RepeatedWarning::kQuiet / 2, start + RepeatedWarning::kQuiet,
                          start + 2 * RepeatedWarning::kQuiet}) {
      warning.happened(at);
    }
  });
  EXPECT_THAT(log,
              MatchesRegex(".* warning: It rains\n.* warning: It rains \\(and 2 times since the last such line\\)\n"
                           ".* warning: It rains\n"));
}

}  // namespace
}  // namespace flint::net
