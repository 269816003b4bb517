#include "manual_clock.h"

#include <nanobind/stl/shared_ptr.h>

#include "values.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace flint::python {
namespace {

/// The same for each run, so that what a test prints is the same too; on a whole day, so that it is easy to read.
constexpr WallTime kStart = std::chrono::sys_days(std::chrono::January / 1 / 2030);

/// From the start to the latest wall time that the limiter accepts (limiter::kMaxWallTime), in 2116.
constexpr std::int64_t kMost = (std::int64_t{1} << 62) - Nanos(kStart.time_since_epoch()).count();

}  // namespace

void ManualClock::advance(std::int64_t nanos) {
  std::int64_t elapsed = elapsed_.load(std::memory_order_relaxed);
  do {
    if (nanos > kMost - elapsed) throw nb::value_error("by would move the clock beyond the year 2116, where it ends.");
  } while (!elapsed_.compare_exchange_weak(elapsed, elapsed + nanos, std::memory_order_relaxed));
}

ClockReading ManualClock::read() const noexcept {
  const Nanos elapsed(elapsed_.load(std::memory_order_relaxed));
  return {kStart + elapsed, elapsed};
}

void ManualClock::define(nb::module_& module) {
  nb::class_<ManualClock>(module, "ManualClock")
      .def(nb::init<>())
      .def("advance", &ManualClock::advance, "nanos"_a)
      .def("now", [](const ManualClock& self) { return datetime(self.read().wall); });
}

}  // namespace flint::python
