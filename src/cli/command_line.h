#pragma once

#include <span>
#include <string>

#include "cli/command.h"
#include "flint/status.h"

/// Takes a command line apart.
///
/// Written by hand because keys are arbitrary text: CLI11 2.1.2 splits a `[a,b]` among several operands into two of
/// them without a word, lets `--rate= x` eat the next word, and has no way to keep its configuration files and its own
/// exit codes out.
namespace flint::cli {

struct ParsedLine {
  enum class Wants : std::uint8_t {
    kRun,
    kHelp,
    kVersion,
    /// Nothing that can be run: the words end before a command.
    kNothing,
  };
  Wants wants = Wants::kRun;
  /// Null only when help or nothing is wanted, for everything or for a group of commands.
  const Command* command = nullptr;
  /// The words of commands that were typed, also when they name a group only.
  std::string words;
  Invocation invocation;
};

/// `arguments` without the program's name. Options may stand anywhere before `--`, as `--name value` or `--name=value`;
/// each at most once. kInvalidArgument with a sentence that says what is wrong and what to type instead.
Result<ParsedLine> parse_command_line(const Grammar& grammar, std::span<const std::string> arguments);

}  // namespace flint::cli
