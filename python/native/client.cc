#include "client.h"

#include <nanobind/stl/string_view.h>

#include <optional>

#include "check_result.h"
#include "client/exchange.h"

namespace nb = nanobind;

namespace flint::python {
namespace {

/// The key as a result has it: the str that was asked about.
nb::object decided(const nb::str& key, const Decision& decision) { return result(key, decision); }

std::string_view view(const nb::str& text) {
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (data == nullptr) nb::raise_python_error();
  return {data, static_cast<std::size_t>(size)};
}

/// A CheckResult; or a tuple of what was sent, what was received and an error's number. Raises what the handler of a
/// signal raises.
nb::object exchange(int socket, const nb::bytes& request, double seconds, const nb::str& key, Units cost) {
  const auto timeout = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
  const client::Deadline deadline = std::chrono::steady_clock::now() + timeout;
  const std::string_view name = view(key);
  std::optional<nb::python_error> raised;
  const auto goes_on = [&raised] {
    const nb::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() == 0) return true;
    raised.emplace();
    return false;
  };
  client::Exchanged done;
  {
    const nb::gil_scoped_release release;
    done = client::exchange(socket, {request.c_str(), request.size()}, name, cost, deadline, goes_on);
  }
  if (raised) throw std::move(*raised);
  if (done.decision) return decided(key, *done.decision);
  return nb::make_tuple(done.sent, nb::bytes(done.received.data(), done.received.size()), done.error);
}

nb::object read_decision(const nb::bytes& body, const nb::str& key, Units cost) {
  const std::optional<Decision> read = client::read_decision({body.c_str(), body.size()}, view(key), cost);
  return read ? decided(key, *read) : nb::none();
}

}  // namespace

void define_client(nb::module_& module) {
  module.def("exchange", exchange);
  module.def("read_decision", read_decision);
  module.def("silent", client::is_silent);
}

}  // namespace flint::python
