#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flint/status.h"
#include "flint/time.h"

namespace flint {

/// A number of units: a rate, a burst or a cost. A value that a user gives is from 1 to kMaxUnits.
using Units = std::uint64_t;

inline constexpr Units kMaxUnits = Units{1} << 40;
inline constexpr Nanos kMinPeriod = std::chrono::milliseconds(1);
inline constexpr Nanos kMaxPeriod = std::chrono::hours(24) * 366;
inline constexpr std::size_t kMaxKeyBytes = 512;
inline constexpr std::size_t kMaxCheckAllItems = 128;
inline constexpr std::size_t kMaxBatchChecks = 1000;
inline constexpr std::size_t kMaxRequestIdBytes = 64;
inline constexpr std::size_t kMaxWindows = 8;
inline constexpr std::size_t kMaxLimitsAtOnce = 10'000;

/// The algorithm that enforces a limit. The values are stored on disk and never change meaning.
enum class Algorithm : std::uint8_t {
  /// A bucket of `burst` tokens (default `rate`) that refills continuously at `rate` per `per`.
  /// Bound: over any interval t, at most burst + floor(rate * t / per) units pass.
  kTokenBucket = 1,
  /// At most `rate` units in any window (now - per, now].
  kSlidingWindowLog = 2,
  /// At most `rate` units in a window, which starts at the first allowed check after the previous window ended.
  /// Bound: `rate` in a window, 2 * rate across a boundary.
  kFixedWindowCounter = 3,
  /// The units of this window, plus those of the window before by the part of it that the last `per` overlaps, stay
  /// within `rate`. Two numbers a key.
  /// Bound: over any interval t, at most rate + floor(rate * t / per) units pass.
  kSlidingWindowCounter = 4,
  /// At most `rate` slots are held at any instant. Limiter::reserve() takes them; they are given back when the
  /// reservation is settled, at its end or `per` after they were taken, whichever comes first. A limit of one window.
  kConcurrency = 6,
};

/// Those that checks go by, in the order of their values: all but kConcurrency.
inline constexpr std::array kAlgorithms = {Algorithm::kTokenBucket, Algorithm::kSlidingWindowLog,
                                           Algorithm::kFixedWindowCounter, Algorithm::kSlidingWindowCounter};

/// The name of `algorithm`: `token_bucket`, `sliding_window_log`, `fixed_window_counter`, `sliding_window_counter` or
/// `concurrency`. Static storage.
[[nodiscard]] std::string_view algorithm_name(Algorithm algorithm) noexcept;
/// The algorithm with this name; nothing if `name` is none of the five names.
[[nodiscard]] std::optional<Algorithm> parse_algorithm(std::string_view name) noexcept;

/// The unit of a calendar window. The values are stored on disk and never change meaning.
enum class Align : std::uint8_t {
  /// It is none: a window begins with a check, and lasts `per`.
  kNone = 0,
  kDay = 1,
  /// From Monday on.
  kWeek = 2,
  kMonth = 3,
  kYear = 4,
};

/// `day`, `week`, `month` or `year`; empty for kNone. Static storage.
[[nodiscard]] std::string_view align_name(Align align) noexcept;
/// The unit with this name; nothing if `name` is none of the four names.
[[nodiscard]] std::optional<Align> parse_align(std::string_view name) noexcept;

/// The rule for a key: 1 to kMaxWindows *windows*, each one `rate` per `per`. All of them are decided and charged as
/// one: a check passes if every window allows it, and then all of them count it; else none does.
struct Limit {
  Units rate = 0;
  /// A whole number of milliseconds from kMinPeriod to kMaxPeriod; zero for a calendar window.
  Nanos per{};
  Algorithm algorithm = Algorithm::kTokenBucket;
  /// Token bucket only: the capacity. If absent, the capacity is `rate`. A burst with another algorithm is an error.
  std::optional<Units> burst = std::nullopt;
  /// The windows after the first one, which the members above are: each is a limit of one window. No two windows of a
  /// limit have the same `per` or the same `align`.
  std::vector<Limit> further = {};
  /// kFixedWindowCounter only: a calendar window, which is a day, week, month or year of `timezone`.
  Align align = Align::kNone;
  /// The IANA name of its time zone, such as `Europe/Berlin`; empty: UTC. Only with `align`.
  std::string timezone = {};

  /// The most units that can pass the first window at once: for a token bucket `burst`, or `rate` without one;
  /// otherwise `rate`.
  [[nodiscard]] constexpr Units capacity() const noexcept { return burst.value_or(rate); }
  /// A higher cost can never pass: the lowest capacity of its windows.
  [[nodiscard]] Units lowest_capacity() const noexcept;
  [[nodiscard]] std::size_t window_count() const noexcept { return 1 + further.size(); }
  /// `index` is below window_count(). The first one is the limit itself: of what this returns, `further` has no
  /// meaning.
  [[nodiscard]] const Limit& window(std::size_t index) const noexcept {
    return index == 0 ? *this : further[index - 1];
  }
  friend bool operator==(const Limit&, const Limit&) = default;
};

/// What becomes of a check that the limit of a key or of a pattern does not allow. The values are stored on disk and
/// never change meaning.
enum class Mode : std::uint8_t {
  /// It is denied.
  kEnforce = 0,
  /// It is allowed, consumes nothing, and is counted as one that the limit would deny: for trying a limit out. Usage is
  /// what it would be if the limit were enforced.
  kShadow = 1,
  /// All checks are denied, and no time makes one pass.
  kBlock = 2,
};

/// The name of `mode`: `enforce`, `shadow` or `block`. Static storage.
[[nodiscard]] std::string_view mode_name(Mode mode) noexcept;
/// The mode with this name; nothing if `name` is none of the three names.
[[nodiscard]] std::optional<Mode> parse_mode(std::string_view name) noexcept;

/// Returns Ok, or kInvalidArgument with a sentence that names the field (`rate`, `per`, `burst`, `algorithm`, `align`,
/// `timezone` or `windows`) and the allowed values. Of a limit with several windows, the field is `windows[0].rate` and
/// so on. Which time zones there are is what the machine knows.
Status validate_limit(const Limit& limit);

/// Returns Ok if `key` is 1 to kMaxKeyBytes bytes of valid UTF-8, without control characters (C0, DEL, C1), and not all
/// blank.
Status validate_key(std::string_view key);

/// Returns Ok if `id` is 1 to kMaxRequestIdBytes visible ASCII characters.
Status validate_request_id(std::string_view id);

/// Whether `key` is a pattern: its last character is `*`, and it names all keys that begin with what is before it.
[[nodiscard]] constexpr bool is_pattern(std::string_view key) noexcept { return key.ends_with('*'); }

/// Parses `250ms`, `10s`, `1m`, `1h` or `1d`; a bare integer means seconds. Fails with kInvalidArgument outside
/// kMinPeriod..kMaxPeriod.
Result<Nanos> parse_period(std::string_view text);

/// Reads a rate string: `100/m`, `100 per minute`, `5/15m`, `10/s burst 20`, `1000/day fixed_window_counter`, or
/// several windows, `10/s burst 20, 1000/h`. Or with calendar windows, `1000 per calendar month in Europe/Berlin`.
///
///   limit = window {"," window}
///   window = plain | calendar
///   calendar = units ("/" | "per") "calendar" ("day" | "week" | "month" | "year") ["in" zone] ["fixed_window_counter"]
///   plain = units ("/" | "per") [count] unit {"burst" units | algorithm}
///
/// `units` and `count` are decimal digits; a `_` may stand between two of them (`1_000_000/d`). Without `count`, the
/// period is one `unit`: ms, s, m, h or d in lower case, or one of the words msec, millisecond, sec, second, min,
/// minute, hr, hour and day, with or without an `s` at the end. `burst` and the name of an algorithm follow in any
/// order, each at most once. Words may be in any case. Spaces may stand between any two parts; they are needed only
/// where a word is followed by another word or a number.
///
/// Fails with kInvalidArgument of the field `limit`, in printable ASCII: for any other text, for a limit that
/// validate_limit() refuses, and above 1,024 bytes.
Result<Limit> parse_limit(std::string_view text);

/// The shortest rate string that parse_limit() reads as `limit`, which is valid.
[[nodiscard]] std::string format_limit(const Limit& limit);

}  // namespace flint
