#pragma once

#include <nanobind/nanobind.h>

#include <utility>

#include "flint/status.h"

/// From Status to exceptions of Python, which nanobind wants thrown. The table is flint_limiter/_failures.py, for both
/// modes. Threads: all of these hold the GIL.
namespace flint::python {

[[noreturn]] void raise(const Status& status);

inline void raise_unless_ok(const Status& status) {
  if (!status.ok()) [[unlikely]]
    raise(status);
}

template <typename T>
T value_or_raise(Result<T> result) {
  if (!result.ok()) [[unlikely]]
    raise(result.status());
  return std::move(*result);
}

/// The exception that raise() raises.
[[nodiscard]] nanobind::object exception_for(const Status& status);

}  // namespace flint::python
