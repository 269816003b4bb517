#include "errors.h"

#include "values.h"

namespace nb = nanobind;

namespace flint::python {

nb::object exception_for(const Status& status) {
  nb::object exception = nb::module_::import_("flint_limiter._failures")
                             .attr("exception_for")(text(code_name(status.code())), text(status.message()));
  if (status.code() == Code::kDataDirLocked) {
    const std::optional<LockHolder> holder = status.holder();
    if (holder) {
      exception.attr("process_id") = holder->process_id;
      exception.attr("is_server") = holder->is_server;
    }
  }
  return exception;
}

void raise(const Status& status) {
  const nb::object exception = exception_for(status);
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception.ptr())), exception.ptr());
  throw nb::python_error();
}

}  // namespace flint::python
