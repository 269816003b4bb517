#include "manual_clock.h"

#include <nanobind/stl/shared_ptr.h>

#include "values.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace flint::python {
namespace {

/// The same for each run, so that what a test prints is the same too; on a whole day, so that it is easy to read.
constexpr WallTime kStart = std::chrono::sys_days(std::chrono::January / 1 / 2030);

}  // namespace

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
