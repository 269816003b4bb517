#include <algorithm>
#include <string>
#include <utility>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/server_config.h"
#include "cli/text.h"
#include "server/detached.h"

/// The commands that start a server, and that examine what it would be told.
namespace flint::cli {
namespace {

/// SIGHUP changes what these give; the others are fixed for the life of a server.
bool may_change(std::string_view option) {
  return option == "--token" || option == "--token-file" || option == "--limits";
}

/// The options of the two that differ and take a restart.
std::vector<std::string> need_restart(const Invocation& before, const Invocation& now) {
  std::vector<std::string> names;
  const auto add = [&](const Invocation& from, const Invocation& other) {
    for (const auto& [name, value] : from.options) {
      const bool differs = other.option(name) != std::optional<std::string_view>(value);
      const std::string shown = name.substr(2);
      if (!may_change(name) && differs && std::find(names.begin(), names.end(), shown) == names.end()) {
        names.push_back(shown);
      }
    }
  };
  add(before, now);
  add(now, before);
  return names;
}

/// The tokens that SIGHUP puts in force; nothing where they are fixed.
std::optional<Result<api::Tokens>> tokens_again(const ServerConfig& config, std::vector<Finding>& findings) {
  if (const auto path = config.merged.option("--token-file")) {
    report_token_file(std::string(*path), findings);
    return read_tokens_again(std::string(*path));
  }
  const Environment nothing = [](std::string_view) { return std::optional<std::string>(); };
  if (config.from_file.has("--token")) return choose_tokens(config.from_file, nothing);
  return std::nullopt;
}

/// Reads everything once more, as at the start.
server::ReadAgain read_again(const Command& command, const Invocation& given, const Environment& environment,
                             const Target& target, const Invocation& before) {
  server::ReadAgain again;
  ServerConfig config = read_server_config(command, given, environment);
  again.tokens = tokens_again(config, again.findings);
  const bool has_files = given.has("--config") || given.has("--limits");
  if (!has_files) return again;
  // For what is wrong with the options; the token was read already.
  config.from_file.options.erase("--token-file");
  static_cast<void>(server_options(config, target));
  again.problems = lines_of(config.problems);
  again.need_restart = need_restart(before, config.merged);
  again.limits = std::move(config.limits);
  again.gates = std::move(config.gates);
  return again;
}

const Command& server_start_command() {
  const auto& commands = flint_grammar().commands;
  const auto found = std::find_if(commands.begin(), commands.end(),
                                  [](const Command& command) { return command.words == "server start"; });
  FLINT_ASSERT(found != commands.end());
  return *found;
}

}  // namespace

Exit server_start(Session& session, const Command& command, const Invocation& invocation) {
  const Environment& environment = session.implementations().environment;
  ServerConfig config = read_server_config(command, invocation, environment);
  server::ServerOptions options = server_options(config, session.target());
  const auto is_in_a_file = [](const config::Problem& problem) { return !problem.file.empty(); };
  if (std::any_of(config.problems.begin(), config.problems.end(), is_in_a_file)) {
    return session.fail(lines_of(config.problems));
  }
  if (!config.problems.empty()) return session.fail({Code::kInvalidArgument, config.problems.front().text});
  if (const auto file = config.merged.option("--token-file")) {
    report_token_file(std::string(*file), options.limiter.findings);
  }
  const bool may_read_again = config.limits || config.merged.has("--token-file") || config.from_file.has("--token");
  if (may_read_again) {
    options.read_again = [&command, &environment, given = invocation, target = session.target(),
                          before = config.merged] { return read_again(command, given, environment, target, before); };
  }
  if (invocation.has("--token")) {
    session.warn(
        "A token in an argument is in the process list for a moment and in the shell's history for good. Prefer "
        "--token-file or FLINT_SERVER_TOKEN.");
  }
  std::optional<server::Detached> detached;
  if (config.merged.has("--detach")) {
    Result<server::Detached> background = server::Detached::detach();
    if (!background.ok()) return session.fail(background.status());
    detached = std::move(*background);
    options.ready = [&detached, &options] { detached->ready(options.log_file); };
  }
  const Status status = session.implementations().run_server(options);
  return status.ok() ? Exit::kDone : session.fail(status);
}

Exit config_check(Session& session, const Command& /*command*/, const Invocation& invocation) {
  const std::string& file = invocation.operands.front();
  Invocation given;
  given.options.emplace("--config", file);
  const Environment nothing = [](std::string_view) { return std::optional<std::string>(); };
  ServerConfig config = read_server_config(server_start_command(), given, nothing);
  static_cast<void>(server_options(config, session.target()));
  if (!config.problems.empty()) return session.fail(lines_of(config.problems));
  const std::size_t options = config.from_file.options.size();
  const std::size_t limits = config.limits->size();
  const std::size_t gates = config.gates.size();
  if (session.json()) {
    session.print(
        json::serialize(json::object{{"ok", true}, {"options", options}, {"limits", limits}, {"gates", gates}}) + "\n");
  } else {
    const auto counted = [](std::size_t count, const std::string& what) {
      return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
    };
    session.print(printable(file) + " is sound: " + counted(options, "option") + ", " + counted(limits, "limit") +
                  (gates == 0 ? "" : ", " + counted(gates, "gate")) + ".\n");
  }
  return Exit::kDone;
}

}  // namespace flint::cli
