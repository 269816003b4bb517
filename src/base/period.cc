#include "base/period.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace flint::base {

// The largest unit that divides the duration, so that the text is exact: a minute and a half is 90s and not
// 1.5m.
std::string format_period(Nanos duration) {
  struct Unit {
    std::string_view name;
    Nanos length;
  };
  static constexpr std::array<Unit, 6> kUnits = {{{"d", std::chrono::hours(24)},
                                                  {"h", std::chrono::hours(1)},
                                                  {"m", std::chrono::minutes(1)},
                                                  {"s", std::chrono::seconds(1)},
                                                  {"ms", std::chrono::milliseconds(1)},
                                                  {"us", std::chrono::microseconds(1)}}};
  if (duration == Nanos::zero()) return "0s";
  for (const auto& [name, length] : kUnits) {
    if (duration % length == Nanos::zero()) return std::to_string(duration / length).append(name);
  }
  return std::to_string(duration.count()) + "ns";
}

std::string format_elapsed(Nanos time) {
  return format_period(
      std::max<Nanos>(std::chrono::floor<std::chrono::milliseconds>(time), std::chrono::milliseconds(1)));
}

}  // namespace flint::base
