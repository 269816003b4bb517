#include "flint/version.h"

namespace flint {

std::string_view version() noexcept { return FLINT_VERSION; }

}  // namespace flint
