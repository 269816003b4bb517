#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "api/json_document.h"
#include "io/file_system.h"
#include "original/usage.h"

namespace flint::original {

inline constexpr std::string_view kLogName = "flint.aof";

/// How far the reading of a file is.
using Progress = std::function<void(std::string_view name, std::uint64_t done, std::uint64_t total)>;

/// What a log held, by the original's names of its events.
struct LogReport {
  bool exists = false;
  std::uint64_t configured = 0;
  std::uint64_t allowed = 0;
  std::uint64_t allowed_all = 0;
  std::uint64_t denied = 0;
  std::uint64_t reset = 0;
  /// The last line, if a crash cut it off: it was dropped. 0: there was none.
  std::uint64_t torn_line = 0;
  /// The snapshot's position is not in the log, so all of the log came after the snapshot.
  bool is_newer_than_snapshot = false;

  [[nodiscard]] std::uint64_t events() const noexcept { return configured + allowed + allowed_all + denied + reset; }
};

/// Applies what flint.aof says from `offset` on, the snapshot's position. A line that is not what the original writes,
/// or whose checksum does not match, is kCorruption that names file and line. Only a last line without its end that is
/// no JSON is the mark of a crash: it is dropped, since no answer was given for it.
Result<LogReport> read_log(io::Directory& directory, std::uint64_t offset, Usage& usage, const Progress& progress);

/// One line of the log. kInvalidArgument says what is wrong.
class LogLine {
 public:
  /// Whether the last apply() failed since the line is no JSON.
  [[nodiscard]] bool is_no_json() const noexcept { return is_no_json_; }
  Status apply(std::string_view line, Usage& usage, LogReport& report);

 private:
  Status apply_event(const api::JsonNode& event, WallTime written_at, Usage& usage, LogReport& report);
  Status apply_all(const api::JsonNode& event, Usage& usage);
  Status configure(const api::JsonNode& event, WallTime written_at, Usage& usage);

  api::JsonDocument document_;
  bool is_no_json_ = false;
};

}  // namespace flint::original
