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

/// What the command line can say, as data: the parser, the help texts and the runner all read the same table.
namespace flint::cli {

class Session;

/// The exit codes, and all of them.
enum class Exit : std::uint8_t {
  /// Done; of check and check-all: allowed.
  kDone = 0,
  /// Of check and check-all: denied.
  kDenied = 1,
  /// Wrong usage, an argument that is not allowed, or a key without a limit.
  kUsage = 2,
  /// Storage, the connection or the output failed.
  kFailed = 3,
};

struct OptionSpec {
  /// With its dashes.
  std::string_view name;
  /// How help names the value; empty: a flag, which takes none.
  std::string_view value;
  std::string_view help;
  bool required = false;
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
  Exit (*run)(Session&, const Invocation&) = nullptr;
  /// Concerns a directory of this machine only: --server is an error, and FLINT_SERVER is not looked at.
  bool local = false;
};

struct Grammar {
  /// Understood before and after the command's words.
  std::span<const OptionSpec> global_options;
  std::span<const Command> commands;
};

}  // namespace flint::cli
