#pragma once

#include <nanobind/nanobind.h>

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "flint/decision.h"
#include "flint/doctor.h"
#include "flint/limiter.h"
#include "flint/reservation.h"

/// What a Limiter answers, as Python objects: dicts with the names of the HTTP API, times as aware datetimes in UTC.
namespace flint::python {

/// Called once, before anything below.
void import_datetime();

/// `text` is UTF-8, except where it holds a path of the file system: those bytes are escaped as os.fsdecode does.
[[nodiscard]] nanobind::object text(std::string_view text);
/// To the millisecond, as the HTTP API shows it.
[[nodiscard]] nanobind::object datetime(WallTime time);
/// The one object that stands for the algorithm's name.
[[nodiscard]] nanobind::object algorithm_text(Algorithm algorithm);

[[nodiscard]] nanobind::object value(const LimitStatus& status);
/// A list of dicts.
[[nodiscard]] nanobind::list windows(std::span<const WindowStatus> windows);
[[nodiscard]] nanobind::object value(const Event& event);
[[nodiscard]] nanobind::object value(const ReservationStatus& status);
[[nodiscard]] nanobind::object value(const DoctorReport& report);
[[nodiscard]] nanobind::object value(const LimitChanges& changes);
[[nodiscard]] nanobind::object value(const BackupReport& report);

template <typename T>
[[nodiscard]] nanobind::list values(const std::vector<T>& all) {
  nanobind::list list;
  for (const T& one : all) list.append(value(one));
  return list;
}

}  // namespace flint::python
