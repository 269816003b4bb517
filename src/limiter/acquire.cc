#include "flint/acquire.h"

#include "base/acquire.h"
#include "flint/limiter.h"

namespace flint {

Result<Decision> acquire(Limiter& limiter, std::string_view key, Units cost, const AcquireOptions& options) {
  CheckOptions check{.limit = options.limit};
  return base::acquire(
      [&](bool dry_run) {
        check.dry_run = dry_run;
        return limiter.check(key, cost, check);
      },
      options.timeout);
}

}  // namespace flint
