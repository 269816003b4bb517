#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/caller.h"
#include "cli/exit_codes.h"
#include "cli/json.h"
#include "cli/text.h"

/// One question of a command to the API, as data. In all of it, `asked` is the operation's arguments by their names.
namespace flint::cli {

/// What is wrong with an answer, as the rest of a sentence that begins with "it"; nothing if it can be believed.
using Complaint = std::optional<std::string>;
using Judge = Complaint (*)(const json::value& answer, const json::object& asked);

/// An answer for a person, and the exit code that goes with it.
struct Shown {
  std::string text;
  Exit exit = Exit::kDone;
};
using Show = Shown (*)(const json::value& answer, const json::object& asked, const Style& style);

struct Question {
  /// The name of a row of api/operations.h.
  std::string_view operation;
  Access access = Access::kRead;
  Judge judge = nullptr;
  Show show = nullptr;
};

}  // namespace flint::cli
