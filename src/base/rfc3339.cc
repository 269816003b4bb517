#include "base/rfc3339.h"

#include <cstdint>
#include <cstring>

namespace flint::base {
namespace {

/// `value` is below 100.
void put_two(char* at, std::uint32_t value) noexcept {
  at[0] = static_cast<char>('0' + value / 10);
  at[1] = static_cast<char>('0' + value % 10);
}

/// Takes `text` apart from its front; once something is not as expected, ok() is false for good.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  /// A number of exactly `digits` digits, from `least` to `most`.
  int number(std::size_t digits, int least, int most) noexcept {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (!next_is_digit()) return fail();
      value = value * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    return value >= least && value <= most ? value : fail();
  }
  /// One of `any`, in capitals or not.
  char one_of(std::string_view any) noexcept {
    if (rest_.empty()) return static_cast<char>(fail());
    const char c =
        rest_.front() == 't' || rest_.front() == 'z' ? static_cast<char>(rest_.front() - 0x20) : rest_.front();
    if (any.find(c) == std::string_view::npos) return static_cast<char>(fail());
    rest_.remove_prefix(1);
    return c;
  }
  /// What follows a point: nanoseconds.
  std::int64_t fraction() noexcept {
    if (!rest_.starts_with('.')) return 0;
    rest_.remove_prefix(1);
    std::int64_t nanos = 0;
    std::int64_t unit = 1'000'000'000;
    if (!next_is_digit()) return fail();
    for (; next_is_digit(); rest_.remove_prefix(1)) {
      unit /= 10;
      if (unit == 0) return fail();
      nanos += unit * (rest_.front() - '0');
    }
    return nanos;
  }
  [[nodiscard]] bool done() const noexcept { return ok_ && rest_.empty(); }

 private:
  [[nodiscard]] bool next_is_digit() const noexcept {
    return !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9';
  }
  int fail() noexcept {
    ok_ = false;
    return 0;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

// The scanner stays failed after its first mismatch, so whether the text is valid is asked once, at the end. A leap
// second counts as the first second of the next minute, as POSIX time has none.
std::optional<WallTime> parse_rfc3339(std::string_view text) noexcept {
  using namespace std::chrono;
  Scanner in(text);
  const year year(in.number(4, 0, 9999));
  in.one_of("-");
  const month month(static_cast<unsigned>(in.number(2, 1, 12)));
  in.one_of("-");
  const year_month_day date(year, month, day(static_cast<unsigned>(in.number(2, 1, 31))));
  in.one_of("T");
  std::int64_t second = std::int64_t{in.number(2, 0, 23)} * 3600;
  in.one_of(":");
  second += std::int64_t{in.number(2, 0, 59)} * 60;
  in.one_of(":");
  second += in.number(2, 0, 60);  // a leap second
  const std::int64_t nanos = in.fraction();
  const char zone = in.one_of("Z+-");
  if (zone == '+' || zone == '-') {
    std::int64_t offset = std::int64_t{in.number(2, 0, 23)} * 3600;
    in.one_of(":");
    offset += std::int64_t{in.number(2, 0, 59)} * 60;
    second -= zone == '+' ? offset : -offset;
  }
  if (!in.done() || !date.ok()) return std::nullopt;
  second += duration_cast<seconds>(sys_days(date).time_since_epoch()).count();
  constexpr std::int64_t kLastSecond = WallTime::max().time_since_epoch() / seconds(1) - 1;
  if (second < 0 || second > kLastSecond) return std::nullopt;
  return WallTime(seconds(second) + Nanos(nanos));
}

char* put_rfc3339(char* at, WallTime time) noexcept {
  using namespace std::chrono;
  // First to milliseconds: the start of the first day that WallTime reaches into is before what WallTime can say.
  const auto millis = floor<milliseconds>(time);
  const auto day = floor<days>(millis);
  const year_month_day date(day);
  const auto of_day = static_cast<std::uint32_t>((millis - day).count());
  const std::uint32_t of_minute = of_day % 60'000;
  const std::uint32_t minutes = of_day / 60'000;
  const auto year = static_cast<std::uint32_t>(static_cast<int>(date.year()));

  std::memcpy(at, "0000-00-00T00:00:00.000Z", kRfc3339Bytes);
  put_two(at, year / 100);
  put_two(at + 2, year % 100);
  put_two(at + 5, static_cast<unsigned>(date.month()));
  put_two(at + 8, static_cast<unsigned>(date.day()));
  put_two(at + 11, minutes / 60);
  put_two(at + 14, minutes % 60);
  put_two(at + 17, of_minute / 1'000);
  put_two(at + 20, of_minute % 1'000 / 10);
  at[22] = static_cast<char>('0' + of_minute % 10);
  return at + kRfc3339Bytes;
}

std::string format_rfc3339(WallTime time) {
  std::string text(kRfc3339Bytes, '\0');
  put_rfc3339(text.data(), time);
  return text;
}

}  // namespace flint::base
