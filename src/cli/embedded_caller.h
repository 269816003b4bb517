#pragma once

#include <memory>
#include <string_view>

#include "cli/caller.h"

namespace flint::cli {

/// Opens `data_dir` in this process for as long as the Caller lives. The Status of Limiter::open; kNotFound also when
/// `access` is kChange and there is no data directory at `data_dir`: only what adds to a store may create one.
Result<std::unique_ptr<Caller>> open_embedded(std::string_view data_dir, Access access);

}  // namespace flint::cli
