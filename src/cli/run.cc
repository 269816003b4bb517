#include "cli/run.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/json.h"
#include "client/unix_peer.h"
#include "flint/version.h"

namespace flint::cli {
namespace {

Result<Target> choose_target_for(const Command& command, const Invocation& invocation, const Environment& environment) {
  if (!command.local) return choose_target(invocation, environment);
  if (invocation.has("--server")) {
    return Status(Code::kInvalidArgument, "\"flint " + std::string(command.words) +
                                              "\" works on a data directory of this machine. Give --data-dir instead "
                                              "of --server.");
  }
  return choose_target(invocation, [&](std::string_view name) {
    return name == "FLINT_SERVER" ? std::optional<std::string>() : environment(name);
  });
}

/// Flint throws nothing, but the libraries below it throw when the system runs out of descriptors, threads or memory.
/// An uncaught exception would end the command with an exit code that scripts do not expect, and without a sentence.
Exit run_command(Session& session, const Command& command, const Invocation& invocation) {
  try {
    return command.run(session, command, invocation);
  } catch (const std::exception& refused) {
    return session.fail({Code::kIoError, "The system refused what the command needs: " + std::string(refused.what()) +
                                             ". Raise its limits of open files, threads and memory (ulimit -a)."});
  }
}

/// What needs no data directory and no server.
Exit run_nothing(Session& session, const ParsedLine& line) {
  if (line.wants == ParsedLine::Wants::kVersion) {
    const std::string number(version());
    session.print(session.json() ? json::serialize(json::object{{"version", number}}) + "\n"
                                 : "flint " + number + "\n");
    return Exit::kDone;
  }
  const std::string help = help_text(flint_grammar(), line.command, line.words);
  if (line.wants == ParsedLine::Wants::kHelp) {
    session.print(help);
    return Exit::kDone;
  }
  if (session.json()) return session.fail({Code::kInvalidArgument, "A command is missing. Run \"flint help\"."});
  // Wrong usage: a script whose command is an empty variable must not take it for success.
  session.print_aside(help);
  return Exit::kUsage;
}

/// Warns of users who could forge an answer. A warning only: a shared directory may be intended.
void warn_of_others(Session& session) {
  const Target& target = session.target();
  std::optional<std::string> warning;
  if (!target.server) {
    warning = client::data_dir_warning(target.data_dir);
  } else if (!target.server->socket_path.empty()) {
    warning = client::socket_warning(target.server->socket_path);
  }
  if (warning) session.warn(*warning);
}

/// Looks for --json in a line that cannot be parsed: a program that reads JSON gets the error as JSON, too.
bool asks_for_json(std::span<const std::string> arguments) {
  const auto operands = std::find(arguments.begin(), arguments.end(), "--");
  return std::find(arguments.begin(), operands, "--json") != operands;
}

}  // namespace

Exit run(const Implementations& implementations, std::span<const std::string> arguments, Session::Console console) {
  const Grammar& grammar = flint_grammar();
  Result<ParsedLine> parsed = parse_command_line(grammar, arguments);
  if (!parsed.ok()) {
    Session session(implementations, {}, asks_for_json(arguments), console);
    return session.finish(session.fail(parsed.status()));
  }
  const ParsedLine& line = *parsed;
  const bool json = line.invocation.has("--json");
  if (line.wants != ParsedLine::Wants::kRun) {
    Session session(implementations, {}, json, console);
    return session.finish(run_nothing(session, line));
  }
  Result<Target> target = choose_target_for(*line.command, line.invocation, implementations.environment);
  if (!target.ok()) {
    Session session(implementations, {}, json, console);
    return session.finish(session.fail(target.status()));
  }
  Session session(implementations, std::move(*target), json, console);
  if (!line.command->local) warn_of_others(session);
  return session.finish(run_command(session, *line.command, line.invocation));
}

}  // namespace flint::cli
