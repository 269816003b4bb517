#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace flint::base {

void assertion_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: this should always hold: %s\n", file, line, condition);
  std::abort();
}

}  // namespace flint::base
