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
  void advance(std::int64_t nanos) noexcept { elapsed_.fetch_add(nanos, std::memory_order_relaxed); }

  static void define(nanobind::module_& module);

 private:
  std::atomic<std::int64_t> elapsed_ = 0;
};

}  // namespace flint::python
