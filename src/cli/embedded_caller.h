#pragma once

#include <memory>
#include <string_view>

#include "cli/caller.h"

namespace flint::cli {

/// Opens `data_dir` in this process for as long as the Caller lives. Fails like Limiter::open, and with kNotFound if
/// `access` is kChange and `data_dir` is not a data directory: only a command that adds a limit may create one.
Result<std::unique_ptr<Caller>> open_embedded(std::string_view data_dir, Access access);

}  // namespace flint::cli
