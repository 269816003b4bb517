#include "arguments.h"

#include <optional>

#include "base/assert.h"

namespace nb = nanobind;

namespace flint::python {
namespace {

/// Nothing for what is no str, and for lone surrogates.
std::optional<std::string_view> read_text(nb::handle object) {
  if (!PyUnicode_Check(object.ptr())) return std::nullopt;
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(object.ptr(), &size);
  if (data != nullptr) return std::string_view(data, static_cast<std::size_t>(size));
  PyErr_Clear();
  return std::nullopt;
}

/// Nothing for what is no int, for a bool, and out of range.
std::optional<Units> read_units(nb::handle object) {
  if (!PyLong_Check(object.ptr()) || PyBool_Check(object.ptr())) return std::nullopt;
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(object.ptr(), &overflow);
  if (overflow != 0 || number < 1 || number > static_cast<long long>(kMaxUnits)) return std::nullopt;
  return static_cast<Units>(number);
}

}  // namespace

CheckArguments read_check(nb::handle key, nb::handle cost) {
  const std::optional<std::string_view> text = read_text(key);
  const std::optional<Units> units = read_units(cost);
  if (!text || !units) [[unlikely]]
    refuse_check(key, cost);
  FLINT_ASSERT(text && units);
  return {*text, *units};
}

ReadItems read_items(const nb::list& items) {
  ReadItems read;
  read.items.reserve(items.size());
  for (const nb::handle item : items) {
    const std::optional<std::string_view> key = read_text(item[0]);
    const std::optional<Units> cost = read_units(item[1]);
    FLINT_ASSERT(key && cost);
    read.items.push_back({*key, *cost});
    if (const std::optional<Limit> limit = read_limit(item[2])) {
      read.limits.reserve(items.size());  // never moved again: the items point into it
      read.items.back().limit = &read.limits.emplace_back(*limit);
    }
  }
  return read;
}

ReadChecks read_checks(const nb::list& checks) {
  ReadChecks read;
  read.checks.reserve(checks.size());
  for (const nb::handle check : checks) {
    const std::optional<std::string_view> key = read_text(check[0]);
    const std::optional<Units> cost = read_units(check[1]);
    FLINT_ASSERT(key && cost);
    read.checks.push_back({.key = *key, .cost = *cost, .dry_run = nb::cast<bool>(check[3])});
    if (!check[4].is_none()) read.checks.back().request_id = read_text(check[4]).value_or("");
    if (const std::optional<Limit> limit = read_limit(check[2])) {
      read.limits.reserve(checks.size());  // never moved again: the checks point into it
      read.checks.back().limit = &read.limits.emplace_back(*limit);
    }
  }
  return read;
}

std::vector<NamedLimit> read_named_limits(const nb::list& limits) {
  std::vector<NamedLimit> read;
  read.reserve(limits.size());
  for (const nb::handle named : limits) {
    const std::optional<std::string_view> key = read_text(named[0]);
    const std::optional<Limit> limit = read_limit(named[1]);
    const std::optional<Mode> mode = parse_mode(read_text(named[3]).value_or(""));
    FLINT_ASSERT(key && limit && mode);
    read.push_back({.key = *key, .limit = *limit, .options = {.overrides = nb::cast<bool>(named[2]), .mode = *mode}});
  }
  return read;
}

std::optional<Limit> read_limit(nb::handle limit) {
  if (limit.is_none()) return std::nullopt;
  FLINT_ASSERT(PyTuple_Check(limit.ptr()) && PyTuple_GET_SIZE(limit.ptr()) == 7);
  const auto field = [limit](Py_ssize_t i) { return nb::handle(PyTuple_GET_ITEM(limit.ptr(), i)); };
  const std::optional<Units> rate = read_units(field(0));
  const std::string_view align = read_text(field(5)).value_or("");
  const std::optional<Units> per_millis = align.empty() ? read_units(field(1)) : 0;
  const std::optional<Algorithm> algorithm = parse_algorithm(read_text(field(2)).value_or(""));
  FLINT_ASSERT(rate && per_millis && algorithm);
  Limit read{.rate = *rate,
             .per = std::chrono::milliseconds(*per_millis),
             .algorithm = *algorithm,
             .burst = read_units(field(3))};
  read.align = parse_align(align).value_or(Align::kNone);
  read.timezone = read_text(field(6)).value_or("");
  const nb::handle further = field(4);
  FLINT_ASSERT(PyTuple_Check(further.ptr()));
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(further.ptr()); ++i) {
    read.further.push_back(read_limit(PyTuple_GET_ITEM(further.ptr(), i)).value());
  }
  return read;
}

void refuse_check(nb::handle key, nb::handle cost) {
  nb::module_::import_("flint_limiter._arguments").attr("check")(key, cost);
}

}  // namespace flint::python
