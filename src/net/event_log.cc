#include "net/event_log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include "base/journal.h"
#include "base/json_writer.h"
#include "base/utf8.h"

namespace flint::net {
namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

/// The priorities of syslog(3).
class Priority final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& to) override {
    const std::string_view prefix = message.level >= spdlog::level::err    ? "<3>"
                                    : message.level == spdlog::level::warn ? "<4>"
                                    : message.level == spdlog::level::info ? "<6>"
                                                                           : "<7>";
    to.append(prefix.data(), prefix.data() + prefix.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<Priority>(); }
};

/// Of an object whose other members stand before them.
std::string json_members(std::string_view event, std::string_view text) {
  std::string members;
  base::JsonWriter json(members);
  json.member<"event">(event);
  json.member<"message">(text);
  return members;
}

}  // namespace

std::string escaped_for_log(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string escaped;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t plain = std::min(base::find_invalid_utf8(rest), base::find_control_character(rest));
    escaped += rest.substr(0, plain);
    rest.remove_prefix(plain);
    if (rest.empty()) break;
    // A control character of two bytes goes in two steps: its second byte alone is not UTF-8.
    const auto byte = static_cast<unsigned char>(rest.front());
    escaped += "\\x";
    escaped += kHex[byte >> 4];
    escaped += kHex[byte & 0xf];
    rest.remove_prefix(1);
  }
  return escaped;
}

EventLog::EventLog(LogLevel level, LogFormat format)
    : EventLog(level, format == LogFormat::kJson || (format == LogFormat::kAuto && isatty(STDERR_FILENO) == 0),
               base::stderr_is_journal(), std::make_shared<spdlog::sinks::stderr_sink_mt>()) {}

Result<std::unique_ptr<EventLog>> EventLog::open(LogLevel level, LogFormat format, const std::string& file) {
  try {
    auto sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(file, kMaxLogFileBytes, 1);
    return std::unique_ptr<EventLog>(new EventLog(level, format == LogFormat::kJson, false, std::move(sink)));
  } catch (const spdlog::spdlog_ex& failed) {
    return Status(Code::kIoError, std::string("Cannot write the log: ") + failed.what() + ".");
  }
}

EventLog::EventLog(LogLevel level, bool json, bool to_journal, std::shared_ptr<spdlog::sinks::sink> sink)
    : json_(json), logger_(std::make_unique<spdlog::logger>("flint", std::move(sink))) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<Priority>('*');
  const std::string line =
      json_ ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})" : "%Y-%m-%dT%H:%M:%S.%eZ %l: %v";
  formatter->set_pattern((to_journal ? "%*" : "") + line);
  logger_->set_formatter(std::move(formatter));
  logger_->set_level(level_of(level));
  logger_->flush_on(spdlog::level::debug);
}

EventLog::~EventLog() = default;

void EventLog::write(LogLevel level, std::string_view event, std::string_view text) {
  const std::string escaped = escaped_for_log(text);
  logger_->log(level_of(level), json_ ? json_members(event, escaped) : escaped);
}

void RepeatedWarning::happened(Clock::time_point now) {
  if (quiet_until_ && now < *quiet_until_) {
    ++left_out_;
    return;
  }
  std::string text(text_);
  if (left_out_ > 0) text += " (and " + std::to_string(left_out_) + " times since the last such line)";
  left_out_ = 0;
  quiet_until_ = now + kQuiet;
  log_.warning(event_, text);
}

}  // namespace flint::net
