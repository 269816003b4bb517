#pragma once

#include <nanobind/nanobind.h>

/// What flint_limiter/_accelerated.py has of a client: one round trip on a connection that Python made and keeps.
namespace flint::python {

void define_client(nanobind::module_& module);

}  // namespace flint::python
