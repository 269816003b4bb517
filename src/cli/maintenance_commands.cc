#include <string>
#include <utility>

#include "api/operations.h"
#include "api/service.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "cli/requests.h"

/// The commands about the store as a whole.
namespace flint::cli {
namespace {

Show shown_report(const Session& session) {
  return [&session](const json::value& answer) { return render_doctor(answer, session.style()); };
}

Exit print_report(Session& session, DoctorReport report) {
  api::Response response = api::Service::respond(api::operation("doctor"), std::move(report), nullptr);
  return session.take_answer({response.status, std::move(response.body)}, "this process", judge_report,
                             session.printing(shown_report(session)));
}

Exit inspect_files(Session& session) {
  Result<DoctorReport> report = session.implementations().inspect(session.target().data_dir);
  return report.ok() ? print_report(session, *std::move(report)) : session.fail(report.status());
}

Exit repair(Session& session) {
  if (session.target().server) {
    return session.fail({Code::kInvalidArgument,
                         "--repair works on the files of a data directory that no server holds. Stop the server, then "
                         "run \"flint --data-dir DIR doctor --repair\" on its machine."});
  }
  Result<DoctorReport> report =
      session.implementations().repair(session.target().data_dir, session.target().lock_timeout);
  return report.ok() ? print_report(session, *std::move(report)) : session.fail(report.status());
}

/// What the server that holds the directory knows; when it does not tell, the files still do.
Exit examine_directory(Session& session) {
  Result<std::unique_ptr<Caller>> holder = reach_holder(session.target(), session.implementations().connect_server);
  if (holder.code() == Code::kPermission) session.warn(printable(holder.status().message()));
  if (!holder.ok()) return inspect_files(session);
  Result<Answer> live = (*holder)->call(request("doctor"));
  if (live.ok() && live->status == 200) {
    return session.take_answer(*live, (*holder)->name(), judge_report, session.printing(shown_report(session)));
  }
  const std::string why = live.ok() ? "HTTP " + std::to_string(live->status) : printable(live.status().message());
  session.warn("The server that holds the directory gave no report (" + why + "). This one is read from its files.");
  return inspect_files(session);
}

}  // namespace

Exit log_flush(Session& session, const Invocation&) {
  return session.ask(Access::kChange, request("flush"), judge_done,
                     [](const json::value&) { return Shown{"Everything decided so far is on stable storage.\n"}; });
}

Exit log_compact(Session& session, const Invocation&) {
  return session.ask(Access::kChange, request("compact"), judge_done, [](const json::value&) {
    return Shown{"A new snapshot is in place, and the log before the previous one is gone.\n"};
  });
}

Exit doctor(Session& session, const Invocation& invocation) {
  if (invocation.has("--repair")) return repair(session);
  if (!session.target().server) return examine_directory(session);
  return session.ask(Access::kRead, request("doctor"), judge_report, shown_report(session));
}

}  // namespace flint::cli
