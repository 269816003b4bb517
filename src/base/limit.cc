#include "flint/limit.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>
#include <string>

#include "base/assert.h"
#include "base/calendar.h"
#include "base/invalid.h"
#include "base/period.h"
#include "base/utf8.h"

namespace flint {
namespace {

using base::kPeriodRange;
using base::shown;

static_assert(kMinPeriod == std::chrono::milliseconds(1) && kMaxPeriod == std::chrono::hours(24) * 366,
              "kPeriodRange says so");

// Limits that checks carry are validated each time: what is right is told at once, and only what is wrong in words.
[[nodiscard]] constexpr bool are_units(Units units) noexcept { return units >= 1 && units <= kMaxUnits; }
[[nodiscard]] constexpr bool is_period(Nanos per) noexcept {
  return per >= kMinPeriod && per <= kMaxPeriod && per % std::chrono::milliseconds(1) == Nanos::zero();
}

Status not_units(std::string_view field, Units units) {
  return Status::of_field(field,
                          "must be from 1 to " + std::to_string(kMaxUnits) + ", not " + std::to_string(units) + ".");
}

Status wrong_period(Nanos per) {
  return Status::of_field("per", "must be a whole number of milliseconds from " + std::string(kPeriodRange) + ", not " +
                                     base::format_period(per) + ".");
}

bool is_known(Algorithm algorithm) noexcept {
  switch (algorithm) {
    case Algorithm::kTokenBucket:
    case Algorithm::kSlidingWindowLog:
    case Algorithm::kFixedWindowCounter:
    case Algorithm::kSlidingWindowCounter:
    case Algorithm::kConcurrency:
      return true;
  }
  return false;
}

Status not_a_period(std::string_view text) {
  return Status::of_field(
      "per",
      "must be an integer and a unit (ms, s, m, h or d; without a unit it means seconds), such as 250ms "
      "or 1m, and from " +
          std::string(kPeriodRange) + ", not " + shown(text) + ".");
}

constexpr std::array<std::string_view, 5> kAlignNames = {"", "day", "week", "month", "year"};

/// 0 for what is no unit.
Nanos unit_length(std::string_view unit) noexcept {
  if (unit.empty() || unit == "s") return std::chrono::seconds(1);
  if (unit == "ms") return std::chrono::milliseconds(1);
  if (unit == "m") return std::chrono::minutes(1);
  if (unit == "h") return std::chrono::hours(1);
  if (unit == "d") return std::chrono::hours(24);
  return Nanos::zero();
}

}  // namespace

bool base::is_timezone_name(std::string_view text) noexcept {
  constexpr auto is_part = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '_' ||
           c == '+' || c == '-';
  };
  return text.size() <= kMaxTimezoneBytes && std::all_of(text.begin(), text.end(), is_part);
}

std::string base::shown(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  if (text.size() <= kLongest && is_printable_ascii(text)) return '"' + std::string(text) + '"';
  return "a text of " + std::to_string(text.size()) + " bytes";
}

Status base::unknown_mode() { return Status::of_field("mode", "must be enforce, shadow or block."); }

Status base::unknown_algorithm() {
  return Status::of_field("algorithm", "must be " + std::string(kAlgorithmNames) + ".");
}

std::string_view algorithm_name(Algorithm algorithm) noexcept {
  switch (algorithm) {
    case Algorithm::kTokenBucket:
      return "token_bucket";
    case Algorithm::kSlidingWindowLog:
      return "sliding_window_log";
    case Algorithm::kFixedWindowCounter:
      return "fixed_window_counter";
    case Algorithm::kSlidingWindowCounter:
      return "sliding_window_counter";
    case Algorithm::kConcurrency:
      return "concurrency";
  }
  base::assertion_failed("algorithm is one of Algorithm", __FILE__, __LINE__);
}

std::string_view mode_name(Mode mode) noexcept {
  switch (mode) {
    case Mode::kEnforce:
      return "enforce";
    case Mode::kShadow:
      return "shadow";
    case Mode::kBlock:
      return "block";
  }
  base::assertion_failed("mode is one of Mode", __FILE__, __LINE__);
}

std::optional<Mode> parse_mode(std::string_view name) noexcept {
  for (const Mode mode : {Mode::kEnforce, Mode::kShadow, Mode::kBlock}) {
    if (name == mode_name(mode)) return mode;
  }
  return std::nullopt;
}

std::optional<Algorithm> parse_algorithm(std::string_view name) noexcept {
  if (name == algorithm_name(Algorithm::kConcurrency)) return Algorithm::kConcurrency;
  for (const Algorithm algorithm : kAlgorithms) {
    if (name == algorithm_name(algorithm)) return algorithm;
  }
  return std::nullopt;
}

namespace {

Status not_a_timezone(std::string_view timezone) {
  return Status::of_field("timezone",
                          "must be the IANA name of a time zone that this machine knows, such as Europe/Berlin, not " +
                              shown(timezone) + ".");
}

Status validate_calendar(const Limit& limit) {
  if (limit.align > Align::kYear) return Status::of_field("align", "must be day, week, month or year.");
  if (limit.algorithm != Algorithm::kFixedWindowCounter) {
    return Status::of_field(
        "align", "is for fixed_window_counter only, not for " +
                     std::string(is_known(limit.algorithm) ? algorithm_name(limit.algorithm) : "another algorithm") +
                     ".");
  }
  if (limit.per != Nanos::zero()) {
    return Status::of_field("per", "must be left out with align, which says how long the window is.");
  }
  if (limit.burst) return Status::of_field("burst", "is for token_bucket only: leave it out with align.");
  return base::is_timezone_name(limit.timezone) ? Status() : not_a_timezone(limit.timezone);
}

Status validate_window(const Limit& limit) {
  if (!are_units(limit.rate)) return not_units("rate", limit.rate);
  if (limit.align != Align::kNone) return validate_calendar(limit);
  if (!limit.timezone.empty()) return Status::of_field("timezone", "is for a limit with align: leave it out.");
  if (!is_period(limit.per)) return wrong_period(limit.per);
  if (!is_known(limit.algorithm)) {
    return base::unknown_algorithm();
  }
  if (!limit.burst) return {};
  if (limit.algorithm != Algorithm::kTokenBucket) {
    return Status::of_field("burst", "is for token_bucket only: leave it out, or choose token_bucket instead of " +
                                         std::string(algorithm_name(limit.algorithm)) + ".");
  }
  return are_units(*limit.burst) ? Status() : not_units("burst", *limit.burst);
}

std::string path_of(std::size_t window) { return "windows[" + std::to_string(window) + "]"; }

Status validate_windows(const Limit& limit) {
  if (limit.window_count() > kMaxWindows) {
    return Status::of_field("windows", "must be 1 to " + std::to_string(kMaxWindows) + ", not " +
                                           std::to_string(limit.window_count()) + ".");
  }
  for (std::size_t i = 0; i < limit.window_count(); ++i) {
    const std::string path = path_of(i);
    if (limit.window(i).algorithm == Algorithm::kConcurrency) {
      return Status::of_field(path + ".algorithm",
                              "must not be concurrency: it is a limit of its own; reserve several keys at once.");
    }
    if (Status status = validate_window(limit.window(i)); !status.ok()) {
      return status.renamed(path + "." + std::string(status.field()));
    }
    if (i > 0 && limit.window(i).window_count() > 1) {
      return Status::of_field(path, "must be one window, without further ones.");
    }
    for (std::size_t before = 0; before < i; ++before) {
      if (!base::is_same_window(limit.window(before), limit.window(i))) continue;
      return Status::of_field(
          "windows", "must not have two windows of " + base::window_length(limit.window(i)) + ": keep one of them.");
    }
  }
  return {};
}

}  // namespace

Status base::validate_stored(const Limit& limit) {
  return limit.further.empty() ? validate_window(limit) : validate_windows(limit);
}

Status validate_limit(const Limit& limit) {
  if (limit.further.empty() && limit.timezone.empty()) return validate_window(limit);
  if (Status status = base::validate_stored(limit); !status.ok()) return status;
  for (std::size_t i = 0; i < limit.window_count(); ++i) {
    const std::string& timezone = limit.window(i).timezone;
    if (base::is_known_timezone(timezone)) continue;
    const Status unknown = not_a_timezone(timezone);
    return limit.further.empty() ? unknown : unknown.renamed(path_of(i) + ".timezone");
  }
  return {};
}

bool base::is_same_window(const Limit& a, const Limit& b) noexcept { return a.per == b.per && a.align == b.align; }

std::string base::window_length(const Limit& window) {
  return window.align == Align::kNone ? format_period(window.per)
                                      : "a calendar " + std::string(align_name(window.align));
}

std::string_view align_name(Align align) noexcept {
  const auto at = static_cast<std::size_t>(align);
  return at < kAlignNames.size() ? kAlignNames[at] : std::string_view();
}

std::optional<Align> parse_align(std::string_view name) noexcept {
  for (std::size_t at = 1; at < kAlignNames.size(); ++at) {
    if (name == kAlignNames[at]) return static_cast<Align>(at);
  }
  return std::nullopt;
}

Units Limit::lowest_capacity() const noexcept {
  Units lowest = capacity();
  for (const Limit& window : further) lowest = std::min(lowest, window.capacity());
  return lowest;
}

// Every check comes through here, and nearly all keys are ASCII: one pass over words decides for them, and the walk
// over code points is left to the rest.
Status validate_request_id(std::string_view id) {
  const auto is_visible = [](char c) { return c > ' ' && c <= '~'; };
  if (!id.empty() && id.size() <= kMaxRequestIdBytes && std::all_of(id.begin(), id.end(), is_visible)) return {};
  return Status::of_field(
      "request_id", "must be 1 to " + std::to_string(kMaxRequestIdBytes) + " visible ASCII characters without spaces.");
}

Status validate_key(std::string_view key) {
  if (key.empty() || key.size() > kMaxKeyBytes) {
    return Status::of_field(
        "key", "must be 1 to " + std::to_string(kMaxKeyBytes) + " bytes, not " + std::to_string(key.size()) + ".");
  }
  if (!base::is_printable_ascii(key)) {
    if (const std::size_t at = base::find_invalid_utf8(key); at < key.size()) {
      return Status::of_field("key", "must be valid UTF-8: the byte at offset " + std::to_string(at) + " is not.");
    }
    if (const std::size_t at = base::find_control_character(key); at < key.size()) {
      return Status::of_field(
          "key", "must not contain control characters: there is one at byte offset " + std::to_string(at) + ".");
    }
  }
  if (base::is_blank(key)) return Status::of_field("key", "must not be blank: it contains only white space.");
  return {};
}

// The count is compared with a quotient and not the product with the bound, so nothing overflows. Fractions and
// compounds (1.5h, 1m30s) are refused: each would be a second way to write a period that is shown in one.
Result<Nanos> parse_period(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const Nanos unit = unit_length(text.substr(digits));
  if (digits == 0 || unit == Nanos::zero()) return not_a_period(text);

  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, count);
  if (error != std::errc() || count > kMaxPeriod / unit || count * unit < kMinPeriod) return not_a_period(text);
  return count * unit;
}

}  // namespace flint
