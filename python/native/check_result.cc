#include "check_result.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string_view.h>

#include "values.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace flint::python {
namespace {

/// The place of `windows` in fields().
constexpr int kWindowsField = 11;

int is_allowed(PyObject* self) { return nb::inst_ptr<CheckResult>(self)->allowed() ? 1 : 0; }

PyType_Slot slots[] = {{Py_nb_bool, reinterpret_cast<void*>(is_allowed)}, {0, nullptr}};

nb::object equal(const CheckResult& self, nb::handle other) {
  if (!nb::isinstance<CheckResult>(other)) return nb::borrow(Py_NotImplemented);
  return nb::cast(self.fields().equal(nb::cast<const CheckResult&>(other).fields()));
}

}  // namespace

CheckResult::CheckResult(nb::object key, const Decision& decision)
    : key_(std::move(key)),
      algorithm_(algorithm_text(decision.algorithm)),
      reset_wall_(decision.reset_at),
      cost_(decision.cost),
      limit_(decision.capacity),
      remaining_(decision.remaining),
      reset_after_ms_(decision.reset_after_ms),
      retry_after_ms_(decision.retry_after_ms),
      allowed_(decision.allowed),
      keys_full_(decision.keys_full),
      would_deny_(decision.would_deny) {
  if (!decision.unknown_timezone().empty()) unknown_timezone_ = text(decision.unknown_timezone());
  if (!decision.windows().empty()) windows_ = nb::tuple(python::windows(decision.windows()));
}

CheckResult::CheckResult(nb::str key, bool allowed, Units cost, Units limit, Units remaining, nb::object reset_at,
                         std::uint64_t reset_after_ms, std::optional<std::uint64_t> retry_after_ms, nb::str algorithm,
                         bool keys_full, std::optional<bool> would_deny, nb::tuple windows, nb::object unknown_timezone)
    : key_(std::move(key)),
      algorithm_(std::move(algorithm)),
      reset_at_(std::move(reset_at)),
      windows_(std::move(windows)),
      unknown_timezone_(std::move(unknown_timezone)),
      cost_(cost),
      limit_(limit),
      remaining_(remaining),
      reset_after_ms_(reset_after_ms),
      retry_after_ms_(retry_after_ms),
      allowed_(allowed),
      keys_full_(keys_full),
      would_deny_(would_deny) {}

nb::object CheckResult::reset_at() const {
  if (!reset_at_.is_valid()) reset_at_ = datetime(reset_wall_);
  return reset_at_;
}

nb::object CheckResult::windows() const {
  if (!windows_.is_valid()) windows_ = nb::make_tuple();
  return windows_;
}

nb::object CheckResult::unknown_timezone() const {
  return unknown_timezone_.is_valid() ? unknown_timezone_ : nb::none();
}

nb::tuple CheckResult::fields() const {
  return nb::make_tuple(key_, allowed_, cost_, limit_, remaining_, reset_at(), reset_after_ms_, retry_after_ms_,
                        algorithm_, keys_full_, would_deny_, windows(), unknown_timezone());
}

void CheckResult::define(nb::module_& module) {
  nb::class_<CheckResult> type(module, "CheckResult", nb::type_slots(slots));
  type.def(nb::init<nb::str, bool, Units, Units, Units, nb::object, std::uint64_t, std::optional<std::uint64_t>,
                    nb::str, bool, std::optional<bool>, nb::tuple, nb::object>(),
           "key"_a, "allowed"_a, "cost"_a, "limit"_a, "remaining"_a, "reset_at"_a, "reset_after_ms"_a,
           "retry_after_ms"_a.none(), "algorithm"_a, "keys_full"_a = false, "would_deny"_a.none() = nb::none(),
           "windows"_a = nb::make_tuple(), "unknown_timezone"_a.none() = nb::none())
      .def_prop_ro("key", [](const CheckResult& self) { return self.key_; })
      .def_prop_ro("allowed", &CheckResult::allowed)
      .def_prop_ro("cost", [](const CheckResult& self) { return self.cost_; })
      .def_prop_ro("limit", [](const CheckResult& self) { return self.limit_; })
      .def_prop_ro("remaining", [](const CheckResult& self) { return self.remaining_; })
      .def_prop_ro("reset_at", &CheckResult::reset_at)
      .def_prop_ro("reset_after_ms", [](const CheckResult& self) { return self.reset_after_ms_; })
      .def_prop_ro("retry_after_ms", [](const CheckResult& self) { return self.retry_after_ms_; })
      .def_prop_ro("algorithm", [](const CheckResult& self) { return self.algorithm_; })
      .def_prop_ro("keys_full", [](const CheckResult& self) { return self.keys_full_; })
      .def_prop_ro("would_deny", [](const CheckResult& self) { return self.would_deny_; })
      .def_prop_ro("windows", &CheckResult::windows)
      .def_prop_ro("unknown_timezone", &CheckResult::unknown_timezone)
      .def("__eq__", equal, nb::arg().none())
      .def("__hash__",
           [](const CheckResult& self) {
             // Without the windows, which are dicts and have none.
             const nb::list all(self.fields());
             all.attr("pop")(kWindowsField);
             return nb::hash(nb::tuple(all));
           })
      .def("__repr__",
           [](const CheckResult& self) {
             return nb::str(
                        "CheckResult(key={!r}, allowed={!r}, cost={!r}, limit={!r}, remaining={!r}, reset_at={!r}, "
                        "reset_after_ms={!r}, retry_after_ms={!r}, algorithm={!r}, keys_full={!r}, would_deny={!r}, "
                        "windows={!r}, unknown_timezone={!r})")
                 .format(*self.fields());
           })
      .def("__reduce__",
           [](nb::handle self) { return nb::make_tuple(self.type(), nb::cast<const CheckResult&>(self).fields()); });
  type.attr("__module__") = "flint_limiter";
  type.attr("__match_args__") =
      nb::make_tuple("key", "allowed", "cost", "limit", "remaining", "reset_at", "reset_after_ms", "retry_after_ms",
                     "algorithm", "keys_full", "would_deny", "windows", "unknown_timezone");
}

nb::object result(nb::object key, const Decision& decision) {
  if (!PyUnicode_CheckExact(key.ptr())) [[unlikely]]
    key = text(decision.key);
  return nb::cast(CheckResult(std::move(key), decision));
}

nb::object results(const nb::list& items, const CheckAllResult& answer) {
  nb::list results;
  for (std::size_t i = 0; i < answer.results.size(); ++i) results.append(result(items[i][0], answer.results[i]));
  nb::dict dict;
  dict["allowed"] = answer.allowed;
  dict["denied_key"] = answer.denied_key ? text(*answer.denied_key) : nb::none();
  dict["results"] = results;
  return dict;
}

}  // namespace flint::python
