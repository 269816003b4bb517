#include <string>

#include "cli/commands.h"

namespace flint::cli {

Exit back_up(Session& session, const Command& /*command*/, const Invocation& invocation) {
  const std::string& to = invocation.operands.front();
  if (to.empty()) return session.fail(Status::of_field("DIR", "must not be empty. Name a new directory."));
  const Result<BackupReport> report = session.implementations().back_up(session.target().data_dir, to);
  if (!report.ok()) return session.fail(report.status());
  if (session.json()) {
    session.print(json::serialize(json::object{{"ok", true},
                                               {"directory", report->directory},
                                               {"limits", report->limits},
                                               {"last_seq", report->last_seq},
                                               {"bytes", report->bytes}}) +
                  "\n");
    return Exit::kDone;
  }
  session.print("Copied " + std::to_string(report->limits) + (report->limits == 1 ? " limit" : " limits") + " to " +
                quote(to) + ", up to event " + std::to_string(report->last_seq) + ": " + bytes_text(report->bytes) +
                ". The copy was read back and is whole.\n");
  return Exit::kDone;
}

}  // namespace flint::cli
