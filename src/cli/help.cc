#include "cli/help.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace flint::cli {
namespace {

constexpr std::string_view kExamples =
    "Examples:\n"
    "  flint limit add api:user-42 100/m                100 units a minute\n"
    "  flint limit check api:user-42 && ./do-the-work   exit code 0 when allowed, 1 when denied\n"
    "  flint server start --bind 127.0.0.1:7878         share the directory over HTTP\n";

constexpr std::string_view kEnvironment =
    "Environment (options win):\n"
    "  FLINT_DATA_DIR      as --data-dir\n"
    "  FLINT_SERVER        as --server\n"
    "  FLINT_SERVER_TOKEN  as --token, but not visible in the process list\n"
    "  FLINT_SERVER_CA, FLINT_SERVER_CERT, FLINT_SERVER_KEY\n"
    "                      as --ca, --cert and --key\n"
    "  NO_COLOR            when set, no colours\n";

constexpr std::string_view kExitCodes =
    "Exit codes:\n"
    "  0  done; of check, check-all, check-batch and reserve: allowed\n"
    "  1  denied (check, check-all, check-batch and reserve)\n"
    "  2  wrong usage or argument, or a key or a reservation that is not known\n"
    "  3  storage, connection or output failed\n";

struct Line {
  std::string left;
  std::string_view right;
};

std::string two_columns(const std::vector<Line>& lines) {
  std::size_t width = 0;
  for (const Line& line : lines) width = std::max(width, line.left.size());
  std::string text;
  for (const Line& line : lines) {
    text += "  " + line.left + std::string(width + 2 - line.left.size(), ' ') + std::string(line.right) + "\n";
  }
  return text;
}

std::string option_lines(std::span<const OptionSpec> options) {
  std::vector<Line> lines;
  for (const OptionSpec& option : options) {
    std::string left(option.name);
    if (!option.value.empty()) left += " " + std::string(option.value);
    lines.push_back({std::move(left), option.help});
  }
  return two_columns(lines);
}

std::string command_lines(const Grammar& grammar, std::string_view group) {
  std::vector<Line> lines;
  for (const Command& command : grammar.commands) {
    if (command.words.starts_with(group)) lines.push_back({std::string(command.words), command.summary});
  }
  return "Commands:\n" + two_columns(lines);
}

/// Required options stand without brackets, so that the usage line is a complete command.
std::string usage_of(const Command& command) {
  std::string usage = "Usage: flint [OPTIONS] " + std::string(command.words);
  if (!command.operands.empty()) usage += " " + std::string(command.operands);
  for (const OptionSpec& option : command.options) {
    usage += option.is_required ? " " : " [";
    usage += option.name;
    if (!option.value.empty()) usage += " " + std::string(option.value);
    if (!option.is_required) usage += "]";
  }
  return usage + "\n";
}

std::string help_of(const Grammar& grammar, const Command& command) {
  std::string text = std::string(command.summary) + ".\n\n" + usage_of(command);
  if (!command.details.empty()) text += "\n" + std::string(command.details);
  if (!command.options.empty()) text += "\nOptions of this command:\n" + option_lines(command.options);
  text += "\nOptions:\n" + option_lines(grammar.global_options);
  return text + "\nExample:\n" + std::string(command.example) + "\n" +
         "Exit codes: " + std::string(command.exit_codes) + "\n";
}

}  // namespace

std::string help_text(const Grammar& grammar, const Command* command, std::string_view words) {
  if (command != nullptr) return help_of(grammar, *command);
  if (!words.empty()) {
    const std::string group = std::string(words) + " ";
    return "Usage: flint [OPTIONS] " + std::string(words) + " COMMAND\n\n" + command_lines(grammar, group) +
           "\nRun \"flint help " + group + "COMMAND\" for its options and an example.\n";
  }
  return "flint: a rate limiter that remembers.\n\n"
         "Usage: flint [--data-dir DIR | --server URL] [--json] COMMAND\n\n" +
         command_lines(grammar, "") + "\nOptions:\n" + option_lines(grammar.global_options) + "\n" +
         std::string(kExamples) + "\n" + std::string(kEnvironment) + "\n" + std::string(kExitCodes) +
         "\nRun \"flint help COMMAND\" for the options of a command and an example.\n";
}

}  // namespace flint::cli
