#include <string>
#include <utility>

#include "api/operations.h"
#include "api/service.h"
#include "cli/commands.h"
#include "cli/requests.h"

/// The command that examines a data directory, or a server's.
namespace flint::cli {
namespace {

Exit print_report(Session& session, const Question& question, Result<DoctorReport> report) {
  if (!report.ok()) return session.fail(report.status());
  const api::Response response = api::Service::respond(api::operation(question.operation), *std::move(report), nullptr);
  return session.print_answer({response.status, response.body}, "this process", question);
}

Exit inspect_files(Session& session, const Question& question) {
  return print_report(session, question, session.implementations().inspect(session.target().data_dir));
}

Exit repair(Session& session, const Question& question) {
  if (session.target().server) {
    return session.fail({Code::kInvalidArgument,
                         "--repair works on the files of a data directory that no server holds. Stop the server, then "
                         "run \"flint --data-dir DIR doctor --repair\" on its machine."});
  }
  return print_report(session, question,
                      session.implementations().repair(session.target().data_dir, session.target().lock_timeout));
}

/// The server that holds the directory also knows what is not on disk yet, so it is asked first. If it does not answer,
/// the report is read from the files, which needs no lock.
Exit examine_directory(Session& session, const Question& question) {
  Result<std::unique_ptr<Caller>> holder = reach_holder(session.target(), session.implementations().connect_server);
  if (holder.code() == Code::kPermission) session.warn(printable(holder.status().message()));
  if (!holder.ok()) return inspect_files(session, question);
  Result<Answer> live = (*holder)->call(request(question.operation));
  if (live.ok() && live->status == 200) {
    return session.print_answer(*live, (*holder)->name(), question);
  }
  const std::string why = live.ok() ? "HTTP " + std::to_string(live->status) : printable(live.status().message());
  session.warn("The server that holds the directory gave no report (" + why + "). This one is read from its files.");
  return inspect_files(session, question);
}

}  // namespace

Exit doctor(Session& session, const Command& command, const Invocation& invocation) {
  if (invocation.has("--repair")) return repair(session, command.asks);
  if (!session.target().server) return examine_directory(session, command.asks);
  return session.ask(command.asks, {});
}

}  // namespace flint::cli
