#include <string>
#include <utility>

#include "cli/commands.h"
#include "cli/progress_line.h"
#include "original/import.h"

/// The command that brings limits over from the original Flint.
namespace flint::cli {
namespace {

std::string counted(std::uint64_t count, std::string_view one) {
  return std::to_string(count) + " " + std::string(one) + (count == 1 ? "" : "s");
}

/// Shows how much of a file is read.
class ReadingProgress {
 public:
  explicit ReadingProgress(Session& session) : line_(session) {}

  void show(std::string_view name, std::uint64_t done, std::uint64_t total) {
    constexpr std::uint64_t kAll = 100;
    const int percent = total == 0 ? 0 : static_cast<int>(done / ((total + kAll - 1) / kAll));
    if (percent == shown_percent_) return;
    shown_percent_ = percent;
    line_.show("Reading " + std::string(name) + ": " + std::to_string(percent) + " %");
  }

 private:
  ProgressLine line_;
  int shown_percent_ = -1;
};

std::string sentences(const original::ImportReport& report, std::string_view from, std::string_view to) {
  const original::LogReport& log = report.log;
  std::string text = "Imported " + counted(report.keys, "limit") + " from " + quote(from) + " into " + quote(to) +
                     ", with what is used of them and their counters.\n";
  text += report.snapshot.exists ? "flint.snapshot: " + counted(report.snapshot.keys, "key") + ".\n"
                                 : "flint.snapshot: none.\n";
  text += log.exists ? "flint.aof: " + counted(log.events(), "event") + " (LIMIT_CONFIGURED " +
                           std::to_string(log.configured) + ", ALLOW " + std::to_string(log.allowed) + ", ALLOW_ALL " +
                           std::to_string(log.allowed_all) + ", DENY " + std::to_string(log.denied) + ", RESET " +
                           std::to_string(log.reset) + ").\n"
                     : "flint.aof: none.\n";
  if (log.torn_line != 0) {
    text += "Line " + std::to_string(log.torn_line) +
            " of flint.aof, the last one, was cut off by a crash and is left out: it was never answered.\n";
  }
  if (log.is_newer_than_snapshot) {
    text += "flint.aof does not reach back to the snapshot's position: all of it counts as newer.\n";
  }
  if (report.late_times > 0) {
    text += counted(report.late_times, "time") + " after now, of a clock that was ahead, " +
            (report.late_times == 1 ? "counts" : "count") + " as now.\n";
  }
  return text + "The history of single events is left out. " + quote(from) + " is as it was.\n";
}

std::string document(const original::ImportReport& report) {
  const original::LogReport& log = report.log;
  const json::object events{{"limit_configured", log.configured},
                            {"allow", log.allowed},
                            {"allow_all", log.allowed_all},
                            {"deny", log.denied},
                            {"reset", log.reset}};
  return json::serialize(
             json::object{{"ok", true},
                          {"limits", report.keys},
                          {"snapshot_exists", report.snapshot.exists},
                          {"snapshot_limits", report.snapshot.keys},
                          {"log_exists", log.exists},
                          {"log_events", events},
                          {"torn_line", log.torn_line == 0 ? json::value(nullptr) : json::value(log.torn_line)},
                          {"log_is_newer_than_snapshot", log.is_newer_than_snapshot},
                          {"late_times", report.late_times}}) +
         "\n";
}

}  // namespace

Exit import_original(Session& session, const Command& /*command*/, const Invocation& invocation) {
  const std::string& from = invocation.operands.front();
  const Target& target = session.target();
  const Result<original::ImportReport> report = [&] {
    ReadingProgress line(session);
    return session.implementations().import_original(
        {.from = from,
         .data_dir = target.data_dir,
         .lock_timeout = target.lock_timeout,
         .progress = [&line](std::string_view name, std::uint64_t done, std::uint64_t total) {
           line.show(name, done, total);
         }});
  }();
  if (!report.ok()) return session.fail(report.status());
  session.print(session.json() ? document(*report) : sentences(*report, from, target.data_dir));
  return Exit::kDone;
}

}  // namespace flint::cli
