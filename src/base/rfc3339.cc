#include "base/rfc3339.h"

#include <cstdint>

namespace flint::base {
namespace {

/// Writes `value` in exactly `digits` decimal digits.
void put_digits(char* at, std::uint32_t value, int digits) noexcept {
  for (int i = digits; i-- > 0; value /= 10) at[i] = static_cast<char>('0' + value % 10);
}

}  // namespace

std::string format_rfc3339(WallTime time) {
  using namespace std::chrono;
  // First to milliseconds: the start of the first day that WallTime reaches into is before what WallTime can say.
  const auto millis = floor<milliseconds>(time);
  const auto day = floor<days>(millis);
  const year_month_day date(day);
  const hh_mm_ss clock(millis - day);

  std::string text = "0000-00-00T00:00:00.000Z";
  put_digits(&text[0], static_cast<std::uint32_t>(static_cast<int>(date.year())), 4);
  put_digits(&text[5], static_cast<unsigned>(date.month()), 2);
  put_digits(&text[8], static_cast<unsigned>(date.day()), 2);
  put_digits(&text[11], static_cast<std::uint32_t>(clock.hours().count()), 2);
  put_digits(&text[14], static_cast<std::uint32_t>(clock.minutes().count()), 2);
  put_digits(&text[17], static_cast<std::uint32_t>(clock.seconds().count()), 2);
  put_digits(&text[20], static_cast<std::uint32_t>(clock.subseconds().count()), 3);
  return text;
}

}  // namespace flint::base
