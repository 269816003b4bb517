#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "flint/status.h"

namespace spdlog {
class logger;
namespace sinks {
class sink;
}
}  // namespace spdlog

namespace flint::net {

/// A log file that is longer is renamed, and a new one begins.
inline constexpr std::size_t kMaxLogFileBytes = std::size_t{1} << 20;

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

enum class LogFormat : std::uint8_t {
  /// kText when standard error is a terminal, else kJson.
  kAuto,
  /// `2026-11-23T18:22:02.123Z info: listening on ...`
  kText,
  /// One object per line: `time`, `level`, `event` (a word that does not change) and `message`.
  kJson,
};

/// The server's log on standard error: one line per event that an operator may need, none per request. Control bytes
/// are escaped, so that no text from outside can create a line. If standard error is the journal (JOURNAL_STREAM), each
/// line begins with its priority as in sd-daemon(3), `<4>`. Threads: any.
class EventLog {
 public:
  EventLog(LogLevel level, LogFormat format);
  /// Appends to `file` instead, where text is text and kAuto is kText. kIoError if it cannot be opened.
  [[nodiscard]] static Result<std::unique_ptr<EventLog>> open(LogLevel level, LogFormat format,
                                                              const std::string& file);
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // `event` is a word for programs, which does not change when the text for people does.

  void info(std::string_view event, std::string_view text) { write(LogLevel::kInfo, event, text); }
  void warning(std::string_view event, std::string_view text) { write(LogLevel::kWarning, event, text); }
  void error(std::string_view event, std::string_view text) { write(LogLevel::kError, event, text); }

 private:
  EventLog(LogLevel level, bool json, bool to_journal, std::shared_ptr<spdlog::sinks::sink> sink);
  void write(LogLevel level, std::string_view event, std::string_view text);

  const bool json_;
  std::unique_ptr<spdlog::logger> logger_;
};

/// Logs an event that may happen a thousand times a second: the first time, and then at most once every ten seconds,
/// with the number of omitted lines. Threads: one.
class RepeatedWarning {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr Clock::duration kQuiet = std::chrono::seconds(10);

  /// `text` is not a complete sentence: its end may follow.
  RepeatedWarning(EventLog& log, std::string_view event, std::string_view text)
      : log_(log), event_(event), text_(text) {}
  void happened(Clock::time_point now = Clock::now());

 private:
  EventLog& log_;
  std::string_view event_;
  std::string_view text_;
  std::uint64_t left_out_ = 0;
  std::optional<Clock::time_point> quiet_until_;
};

/// `text` with control characters and bytes that are not UTF-8 as `\xNN`.
[[nodiscard]] std::string escaped_for_log(std::string_view text);

}  // namespace flint::net
