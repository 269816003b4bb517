#pragma once

#include <span>
#include <string>

#include "cli/output.h"
#include "cli/session.h"

namespace flint::cli {

/// The whole command, from its arguments (without the program's name) to its exit code.
Exit run(const Implementations& implementations, std::span<const std::string> arguments, Session::Console console);

}  // namespace flint::cli
