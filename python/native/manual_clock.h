#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <cstdint>

#include "flint/time.h"

namespace flint::python {

/// A clock that stands still until somebody moves it. Threads: any.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] ClockReading read() const noexcept override;
  /// Raises ValueError beyond 2116, where the limiter's time ends: a clock past it would wrap to the past.
  void advance(std::int64_t nanos);

  static void define(nanobind::module_& module);

 private:
  std::atomic<std::int64_t> elapsed_ = 0;
};

}  // namespace flint::python
