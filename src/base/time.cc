#include "flint/time.h"

#include <ctime>

#include "base/assert.h"

namespace flint {
namespace {

Nanos read_clock(clockid_t id) noexcept {
  timespec now{};
  FLINT_ASSERT(clock_gettime(id, &now) == 0);
  return std::chrono::seconds(now.tv_sec) + Nanos(now.tv_nsec);
}

class SystemClock final : public Clock {
 public:
  [[nodiscard]] ClockReading read() const noexcept override {
    return {WallTime(read_clock(CLOCK_REALTIME)), read_clock(CLOCK_BOOTTIME)};
  }
};

}  // namespace

const Clock& system_clock() noexcept {
  static const SystemClock clock;
  return clock;
}

}  // namespace flint
