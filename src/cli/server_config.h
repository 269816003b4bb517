#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/environment.h"
#include "cli/target.h"
#include "config/config_file.h"
#include "server/options.h"

/// What `server start` is told: by its arguments, by the environment, and by files.
namespace flint::cli {

/// The configuration file and the limits file of one start, as they are now.
struct ServerConfig {
  /// Arguments, and what the configuration file says where neither an argument nor the environment does.
  Invocation merged;
  /// What comes from the configuration file alone.
  Invocation from_file;
  /// Where an option of the file stands.
  std::map<std::string, config::Problem, std::less<>> places;
  /// Nothing if there is neither file.
  std::optional<std::vector<config::FileLimit>> limits;
  std::vector<api::Gate> gates;
  std::vector<config::Problem> problems;
};

/// `command` is that of `server start`. Reads the files that `given`, or the configuration file itself, names.
[[nodiscard]] ServerConfig read_server_config(const Command& command, const Invocation& given,
                                              const Environment& environment);

/// The options for a server. What is wrong with one is added to `config.problems`. `given` is the target that the
/// arguments and the environment choose.
[[nodiscard]] server::ServerOptions server_options(ServerConfig& config, const Target& given);

/// As FILE:LINE: and a sentence each, in the order of the lines.
[[nodiscard]] std::vector<std::string> lines_of(const std::vector<config::Problem>& problems);

/// What others can see or change of a token file, as findings.
void report_token_file(const std::string& file, std::vector<Finding>& findings);

}  // namespace flint::cli
