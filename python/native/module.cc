#include <nanobind/nanobind.h>

#include "check_result.h"
#include "client.h"
#include "commit_signal.h"
#include "flint/status.h"
#include "flint/version.h"
#include "limiter.h"
#include "manual_clock.h"
#include "values.h"

namespace nb = nanobind;

namespace {

/// Every name that a failure can have, for the test of the table in flint_limiter/_failures.py.
nb::list code_names() {
  using flint::Code;
  nb::list names;
  for (int code = static_cast<int>(Code::kOk) + 1; code <= static_cast<int>(Code::kReservationsFull); ++code) {
    names.append(flint::python::text(flint::code_name(static_cast<Code>(code))));
  }
  return names;
}

}  // namespace

NB_MODULE(_native, module) {
  // A daemon thread may still hold a limiter when the process ends, which nanobind would call a bug of these bindings.
  nb::set_leak_warnings(false);
  flint::python::import_datetime();
  flint::python::CheckResult::define(module);
  flint::python::define_client(module);
  flint::python::CommitSignal::define(module);
  flint::python::ManualClock::define(module);
  flint::python::LimiterHandle::define(module);
  module.attr("VERSION") = flint::python::text(flint::version());
  module.attr("CODES") = nb::tuple(code_names());
}
