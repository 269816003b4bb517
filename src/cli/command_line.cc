#include "cli/command_line.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "cli/text.h"

namespace flint::cli {
namespace {

Status usage_error(std::string message) { return {Code::kInvalidArgument, std::move(message)}; }

std::string see_help(std::string_view words) {
  return "Run \"flint " + std::string(words) + (words.empty() ? "" : " ") + "--help\" to see what it takes.";
}

bool is_group(const Grammar& grammar, std::string_view words) {
  return std::any_of(grammar.commands.begin(), grammar.commands.end(), [&](const Command& command) {
    return command.words.size() > words.size() && command.words.starts_with(words) &&
           command.words[words.size()] == ' ';
  });
}

const Command* find_command(const Grammar& grammar, std::string_view words) {
  const auto found = std::find_if(grammar.commands.begin(), grammar.commands.end(),
                                  [&](const Command& command) { return command.words == words; });
  return found == grammar.commands.end() ? nullptr : &*found;
}

/// "check" for a person who meant "limit check".
const Command* find_by_last_word(const Grammar& grammar, std::string_view word) {
  const auto found = std::find_if(grammar.commands.begin(), grammar.commands.end(), [&](const Command& command) {
    return command.words.substr(command.words.rfind(' ') + 1) == word;
  });
  return found == grammar.commands.end() ? nullptr : &*found;
}

const OptionSpec* find_option(std::span<const OptionSpec> options, std::string_view name) {
  const auto found = std::find_if(options.begin(), options.end(), [&](const OptionSpec& option) {
    return option.name == name || (!option.short_name.empty() && option.short_name == name);
  });
  return found == options.end() ? nullptr : &*found;
}

/// One pass from left to right: what an argument means depends only on the words before it. An option of a command is
/// understood only after the command, where its name is unambiguous, and a global option everywhere. What could be
/// understood in two ways is an error: an option given twice, a value that looks like an option (its own value was
/// probably forgotten), a word with a space in it (probably quoted by mistake).
class Parser {
 public:
  Parser(const Grammar& grammar, std::span<const std::string> arguments) : grammar_(grammar), rest_(arguments) {}

  Result<ParsedLine> parse() {
    bool only_operands = false;
    while (!rest_.empty()) {
      const std::string& argument = rest_.front();
      rest_ = rest_.subspan(1);
      Status status;
      if (only_operands || argument.size() < 2 || argument.front() != '-') {
        status = take_word(argument);
      } else if (argument == "--") {
        only_operands = true;
      } else {
        status = take_option(argument);
      }
      if (!status.ok()) return status;
    }
    if (Status status = finish(); !status.ok()) return status;
    return std::move(line_);
  }

 private:
  Status take_word(const std::string& word) {
    if (line_.command != nullptr) {
      line_.invocation.operands.push_back(word);
      return {};
    }
    if (word == "help") {
      line_.wants = ParsedLine::Wants::kHelp;
      return {};
    }
    const std::string words = line_.words.empty() ? word : line_.words + " " + word;
    const bool one_word = word.find(' ') == std::string::npos;
    line_.command = one_word ? find_command(grammar_, words) : nullptr;
    if (line_.command == nullptr && !(one_word && is_group(grammar_, words))) return unknown_command(words, word);
    line_.words = words;
    return {};
  }

  Status unknown_command(std::string_view words, std::string_view last) const {
    std::string message = "There is no command " + quote_given(words) + ". ";
    if (const Command* meant = find_by_last_word(grammar_, last)) {
      return usage_error(message + "Did you mean \"flint " + std::string(meant->words) + "\"?");
    }
    return usage_error(message + "Run \"flint --help\" for the list of commands.");
  }

  Status take_option(const std::string& argument) {
    if (argument == "-h" || argument == "--help") {
      line_.wants = ParsedLine::Wants::kHelp;
      return {};
    }
    if (argument == "--version") {
      if (line_.wants == ParsedLine::Wants::kRun) line_.wants = ParsedLine::Wants::kVersion;
      return {};
    }
    const std::size_t equals = argument.starts_with("--") ? argument.find('=') : std::string::npos;
    const std::string name = argument.substr(0, equals);
    const OptionSpec* option = find_option(grammar_.global_options, name);
    if (option == nullptr && line_.command != nullptr) option = find_option(line_.command->options, name);
    if (option == nullptr) return unknown_option(name);

    std::string value;
    if (option->value.empty()) {
      if (equals != std::string::npos) return usage_error(name + " takes no value. Leave out what follows the \"=\".");
    } else if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
    } else if (rest_.empty() || rest_.front().starts_with("--")) {
      return usage_error(name + " needs a value: " + name + " " + std::string(option->value) + ". " +
                         see_help(line_.words));
    } else {
      value = rest_.front();
      rest_ = rest_.subspan(1);
    }
    if (!line_.invocation.options.emplace(option->name, std::move(value)).second) {
      return usage_error(name + " is given twice. Give it once.");
    }
    return {};
  }

  Status unknown_option(const std::string& name) const {
    if (line_.command == nullptr) {
      return usage_error("There is no option " + quote_given(name) +
                         " before a command. Options of a command follow it; run \"flint --help\" for both.");
    }
    std::string message = "\"flint " + line_.words + "\" has no option " + quote_given(name) + ". ";
    if (line_.command->max_operands > 0) {
      message += "What starts with \"-\" and is no option goes after \"--\": flint " + line_.words + " -- " +
                 shell_word(name) + ". ";
    }
    return usage_error(message + see_help(line_.words));
  }

  Status finish() {
    if (line_.wants != ParsedLine::Wants::kRun) return {};
    if (line_.command == nullptr) {
      line_.wants = ParsedLine::Wants::kNothing;
      return {};
    }
    const Command& command = *line_.command;
    const std::size_t count = line_.invocation.operands.size();
    if (count < command.min_operands) {
      return usage_error("\"flint " + line_.words + "\" needs " + std::string(command.operands) + ". " +
                         see_help(line_.words));
    }
    for (const OptionSpec& option : command.options) {
      if (!option.is_required || line_.invocation.has(option.name)) continue;
      return usage_error("\"flint " + line_.words + "\" needs " + std::string(option.name) + " " +
                         std::string(option.value) + ". " + see_help(line_.words));
    }
    if (count > command.max_operands) {
      return usage_error("\"flint " + line_.words + "\" does not take " +
                         quote_given(line_.invocation.operands[command.max_operands]) + ". " + see_help(line_.words));
    }
    return {};
  }

  const Grammar& grammar_;
  std::span<const std::string> rest_;
  ParsedLine line_;
};

}  // namespace

Result<ParsedLine> parse_command_line(const Grammar& grammar, std::span<const std::string> arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (!base::is_valid_utf8(arguments[i])) {
      return usage_error("Argument " + std::to_string(i + 1) + " (" + quote_given(arguments[i]) +
                         ") is not valid UTF-8. Keys and all other arguments are text in UTF-8.");
    }
  }
  return Parser(grammar, arguments).parse();
}

}  // namespace flint::cli
