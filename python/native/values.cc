#include "values.h"

#include <datetime.h>

#include <array>

#include "errors.h"

namespace nb = nanobind;

namespace flint::python {
namespace {

std::int64_t millis(Nanos duration) { return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count(); }

nb::object optional_datetime(const std::optional<WallTime>& time) { return time ? datetime(*time) : nb::none(); }

/// What is enforced: a token bucket without a burst of its own has its rate as burst, the other algorithms have none.
void put_limit(nb::dict& into, const Limit& limit) {
  into["rate"] = limit.rate;
  if (limit.align == Align::kNone) {
    into["per_millis"] = millis(limit.per);
  } else {
    into["per_millis"] = nb::none();
    into["align"] = text(align_name(limit.align));
    into["timezone"] = text(limit.timezone.empty() ? "UTC" : limit.timezone);
  }
  into["burst"] = limit.algorithm == Algorithm::kTokenBucket ? nb::cast(limit.capacity()) : nb::none();
  into["algorithm"] = algorithm_text(limit.algorithm);
}

nb::dict window_rule(const Limit& window) {
  nb::dict dict;
  put_limit(dict, window);
  return dict;
}

/// Of more than one; in their order.
nb::list window_rules(const Limit& limit) {
  nb::list rules;
  for (std::size_t i = 0; i < limit.window_count(); ++i) rules.append(window_rule(limit.window(i)));
  return rules;
}

nb::object setting(const std::optional<LimitChange::Setting>& setting) {
  if (!setting) return nb::none();
  nb::dict dict;
  put_limit(dict, setting->limit);
  if (!setting->limit.further.empty()) dict["windows"] = window_rules(setting->limit);
  dict["mode"] = text(mode_name(setting->options.mode));
  dict["override"] = setting->options.overrides;
  return dict;
}

nb::object value(const LimitChange& change) {
  nb::dict dict;
  dict["key"] = text(change.key);
  dict["before"] = setting(change.before);
  dict["after"] = setting(change.after);
  return dict;
}

nb::object value(const Finding& finding) {
  nb::dict dict;
  dict["fatal"] = finding.fatal;
  dict["message"] = text(finding.message);
  return dict;
}

nb::object value(const FileMap& file) {
  nb::dict dict;
  dict["name"] = text(file.name);
  dict["kind"] = text(file.kind);
  dict["bytes"] = file.bytes;
  dict["first_seq"] = file.first_seq;
  dict["last_seq"] = file.last_seq;
  dict["records"] = file.records;
  dict["valid_bytes"] = file.valid_bytes;
  return dict;
}

nb::list listed(const auto& all) {
  nb::list list;
  for (const auto& one : all) list.append(value(one));
  return list;
}

}  // namespace

void import_datetime() {
  PyDateTime_IMPORT;
  if (PyDateTimeAPI == nullptr) throw nb::python_error();
}

nb::object text(std::string_view text) {
  PyObject* decoded = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape");
  if (decoded == nullptr) throw nb::python_error();
  return nb::steal(decoded);
}

nb::object datetime(WallTime time) {
  using namespace std::chrono;
  const auto shown = floor<milliseconds>(time);
  const auto day = floor<days>(shown);
  const year_month_day date(day);
  const hh_mm_ss clock(shown - day);
  PyObject* made = PyDateTimeAPI->DateTime_FromDateAndTime(
      static_cast<int>(date.year()), static_cast<int>(static_cast<unsigned>(date.month())),
      static_cast<int>(static_cast<unsigned>(date.day())), static_cast<int>(clock.hours().count()),
      static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
      static_cast<int>(clock.subseconds().count()) * 1000, PyDateTime_TimeZone_UTC, PyDateTimeAPI->DateTimeType);
  if (made == nullptr) throw nb::python_error();
  return nb::steal(made);
}

nb::object algorithm_text(Algorithm algorithm) {
  // Kept to the end of the process: a destructor after the interpreter's end could not free them.
  static std::array<PyObject*, static_cast<std::size_t>(Algorithm::kConcurrency) + 1> texts{};
  PyObject*& cached = texts.at(static_cast<std::size_t>(algorithm));
  if (cached == nullptr) cached = text(algorithm_name(algorithm)).release().ptr();
  return nb::borrow(cached);
}

nb::list windows(std::span<const WindowStatus> windows) {
  nb::list list;
  for (const WindowStatus& window : windows) {
    nb::dict dict = window_rule(window.limit);
    dict["limit"] = window.limit.capacity();
    dict["remaining"] = window.remaining;
    dict["reset_at"] = datetime(window.reset_at);
    dict["reset_after_ms"] = window.reset_after_ms;
    dict["retry_after_ms"] = window.retry_after_ms;
    list.append(dict);
  }
  return list;
}

nb::object value(const LimitStatus& status) {
  nb::dict dict;
  dict["key"] = text(status.key);
  put_limit(dict, status.limit);
  dict["source"] = text(source_name(status.source));
  if (!status.pattern.empty()) dict["pattern"] = text(status.pattern);
  dict["mode"] = text(mode_name(status.mode));
  if (status.keys) {
    dict["override"] = status.overrides;
    dict["keys"] = *status.keys;
  }
  dict["remaining"] = status.remaining;
  dict["reset_at"] = datetime(status.reset_at);
  if (!status.windows.empty()) dict["windows"] = windows(status.windows);
  dict["total_allowed"] = status.total_allowed;
  dict["total_denied"] = status.total_denied;
  dict["total_allowed_cost"] = status.total_allowed_cost;
  dict["total_denied_cost"] = status.total_denied_cost;
  dict["would_deny"] = status.would_deny;
  dict["reserved"] = status.reserved;
  dict["last_allowed_at"] = optional_datetime(status.last_allowed_at);
  dict["last_denied_at"] = optional_datetime(status.last_denied_at);
  dict["last_reset_at"] = optional_datetime(status.last_reset_at);
  return dict;
}

nb::object value(const Event& event) {
  nb::dict dict;
  dict["seq"] = event.seq;
  dict["at"] = datetime(event.at);
  dict["kind"] = text(event_kind_name(event.kind));
  dict["cost"] = event.cost;
  dict["count"] = event.count;
  if (event.limit) {
    put_limit(dict, *event.limit);
    dict["mode"] = text(mode_name(event.mode));
  }
  if (event.limit && !event.limit->further.empty()) dict["windows"] = window_rules(*event.limit);
  return dict;
}

nb::object value(const LimitChanges& changes) {
  nb::dict dict;
  dict["changes"] = listed(changes.changes);
  dict["unchanged"] = changes.unchanged;
  return dict;
}

nb::object value(const BackupReport& report) {
  nb::dict dict;
  dict["directory"] = text(report.directory);
  dict["limits"] = report.limits;
  dict["last_seq"] = report.last_seq;
  dict["bytes"] = report.bytes;
  return dict;
}

nb::object value(const ReservationStatus& status) {
  nb::dict dict;
  dict["reservation"] = text(status.id);
  dict["state"] = text(reservation_state_name(status.state));
  nb::list items;
  for (const ReservedItem& item : status.items) {
    nb::dict reserved;
    reserved["key"] = text(item.key);
    reserved["cost"] = item.cost;
    items.append(reserved);
  }
  dict["items"] = items;
  dict["reserved_at"] = datetime(status.reserved_at);
  dict["expires_at"] = datetime(status.expires_at);
  dict["on_expiry"] = text(on_expiry_name(status.on_expiry));
  dict["settled_at"] = optional_datetime(status.settled_at);
  return dict;
}

nb::object value(const DoctorReport& report) {
  nb::dict dict;
  dict["ok"] = report.ok;
  dict["data_dir"] = text(report.data_dir);
  dict["limits"] = report.limits;
  dict["aof_bytes"] = report.log_bytes;
  dict["snapshot_exists"] = report.snapshot_exists;
  dict["snapshot_bytes"] = report.snapshot_bytes;
  dict["last_seq"] = report.last_seq;
  dict["durable_seq"] = report.durable_seq;
  dict["failed"] = report.failed;
  dict["degraded"] = report.degraded;
  dict["findings"] = listed(report.findings);
  dict["files"] = listed(report.files);
  return dict;
}

}  // namespace flint::python
