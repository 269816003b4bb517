#pragma once

#include <functional>

#include "flint/acquire.h"

namespace flint::base {

/// Makes one check, or a dry run of it.
using Attempt = std::function<Result<Decision>(bool dry_run)>;

/// The waiting of flint::acquire(), whoever decides.
Result<Decision> acquire(const Attempt& attempt, std::chrono::milliseconds timeout);

}  // namespace flint::base
