#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/exit_codes.h"
#include "cli/question.h"

/// What the command line can say, as data: the parser, the help texts and the runner all read the same table.
namespace flint::cli {

class Session;

struct OptionSpec {
  /// With its dashes.
  std::string_view name;
  /// How help names the value; empty: a flag, which takes none.
  /// `N` for a whole number.
  std::string_view value;
  std::string_view help;
  /// With its dash; empty if it has none.
  std::string_view short_name = {};
  /// The command does not run without it.
  bool is_required = false;
};

/// What was typed, taken apart and checked against the table; values are not looked at yet.
struct Invocation {
  std::map<std::string, std::string, std::less<>> options;
  std::vector<std::string> operands;

  [[nodiscard]] bool has(std::string_view name) const { return options.contains(name); }
  [[nodiscard]] std::optional<std::string_view> option(std::string_view name) const {
    const auto found = options.find(name);
    if (found == options.end()) return std::nullopt;
    return found->second;
  }
};

struct Command {
  /// "limit add", "doctor".
  std::string_view words;
  /// As usage shows them: "KEY", "ITEM...".
  std::string_view operands;
  std::size_t min_operands = 0;
  std::size_t max_operands = 0;
  std::span<const OptionSpec> options;
  std::string_view summary;
  /// Paragraphs for `--help`, wrapped by hand; may be empty.
  std::string_view details;
  std::string_view example;
  std::string_view exit_codes;
  /// The operation of the API that it asks for, unless it is `local`.
  Question asks = {};
  Exit (*run)(Session&, const Command&, const Invocation&) = nullptr;
  /// Concerns a directory of this machine only: --server is an error, and FLINT_SERVER is not looked at.
  bool local = false;
};

struct Grammar {
  /// Understood before and after the command's words.
  std::span<const OptionSpec> global_options;
  std::span<const Command> commands;
};

}  // namespace flint::cli
