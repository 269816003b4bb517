#pragma once

#include <memory>
#include <string_view>

#include "base/mutex.h"
#include "server/server.h"

namespace spdlog {
class logger;
}

namespace flint::server {

/// The server's log on standard error: one line an event that an operator may need, none a request. Control bytes are
/// escaped, so that no text of a stranger makes a line of its own. Threads: any.
class Log {
 public:
  explicit Log(LogLevel level);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void debug(std::string_view text) { write(LogLevel::kDebug, text); }
  void info(std::string_view text) { write(LogLevel::kInfo, text); }
  void warning(std::string_view text) { write(LogLevel::kWarning, text); }
  void error(std::string_view text) { write(LogLevel::kError, text); }

 private:
  void write(LogLevel level, std::string_view text);

  std::unique_ptr<spdlog::logger> logger_;
};

/// Of an event that may come a thousand times a second: logs the first, and then at most one line every ten seconds
/// that says how many there were. Threads: one.
class RepeatedWarning {
 public:
  RepeatedWarning(Log& log, std::string_view text) : log_(log), text_(text) {}
  void happened();

 private:
  Log& log_;
  std::string_view text_;
  std::uint64_t unreported_ = 0;
  std::chrono::steady_clock::time_point quiet_until_{};
};

/// Control characters and bytes that are not UTF-8 as `\xNN`.
[[nodiscard]] std::string escaped_for_log(std::string_view text);

}  // namespace flint::server
