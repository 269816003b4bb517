#include "base/rate_string.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/calendar.h"
#include "base/invalid.h"
#include "base/period.h"
#include "base/utf8.h"
#include "flint/limit.h"

namespace flint::base {
namespace {

constexpr std::string_view kWriteLikeThis = " Write it like 100/m or 10/s burst 20.";
constexpr std::string_view kWriteCommas = " Separate rates with commas, like 10/s, 1000/h.";
constexpr std::string_view kWriteCalendar = " Write it like 1000 per calendar month in Europe/Berlin.";
constexpr std::string_view kWriteUnit = " Write ms, s, m, h or d in lower case, or a word such as minute.";

Status refusal(std::string_view problem, std::string_view advice = kWriteLikeThis) {
  return Status::of_field("limit", problem).advised(advice);
}

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool continues_number(char c) noexcept { return is_digit(c) || c == '_'; }
constexpr bool continues_word(char c) noexcept { return is_letter(c) || is_digit(c) || c == '_'; }

/// Whether `text` is `lower_case`, whatever the case of its letters.
bool is_word(std::string_view text, std::string_view lower_case) noexcept {
  return std::equal(text.begin(), text.end(), lower_case.begin(), lower_case.end(),
                    [](char c, char lower) { return c == lower || (is_letter(c) && (c | 0x20) == lower); });
}

struct Unit {
  std::string_view name;
  std::int64_t millis = 0;
};

// In lower case only: elsewhere, M is a month.
constexpr std::array kSymbols =
    std::to_array<Unit>({{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}});
// With or without an s at the end.
constexpr std::array kUnitWords = std::to_array<Unit>({{"msec", 1},
                                                       {"millisecond", 1},
                                                       {"sec", 1'000},
                                                       {"second", 1'000},
                                                       {"min", 60'000},
                                                       {"minute", 60'000},
                                                       {"hr", 3'600'000},
                                                       {"hour", 3'600'000},
                                                       {"day", 86'400'000}});
// Those longer than the longest unit, none of which has one length everywhere.
constexpr std::array kCalendarWords = std::to_array<std::string_view>({"w", "week", "mo", "month", "y", "year"});

constexpr std::array kCalendarUnits = std::to_array<std::string_view>({"day", "week", "month", "year"});

bool is_word_or_plural(std::string_view text, std::string_view lower_case) noexcept {
  const bool plural = text.size() == lower_case.size() + 1 && is_word(text.substr(lower_case.size()), "s");
  return is_word(plural ? text.substr(0, lower_case.size()) : text, lower_case);
}

/// 0 if `text` names no unit.
std::int64_t unit_millis(std::string_view text) noexcept {
  for (const auto& [name, millis] : kSymbols) {
    if (text == name) return millis;
  }
  for (const auto& [name, millis] : kUnitWords) {
    if (is_word_or_plural(text, name)) return millis;
  }
  return 0;
}

std::optional<Algorithm> algorithm_named(std::string_view text) noexcept {
  if (is_word(text, algorithm_name(Algorithm::kConcurrency))) return Algorithm::kConcurrency;
  for (const Algorithm algorithm : kAlgorithms) {
    if (is_word(text, algorithm_name(algorithm))) return algorithm;
  }
  return std::nullopt;
}

struct Token {
  enum class Kind : std::uint8_t { kEnd, kNumber, kWord, kOther };
  Kind kind = Kind::kEnd;
  std::string_view text;
};

/// Takes the first token off `rest`, which is printable ASCII.
Token take_token(std::string_view& rest) noexcept {
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  if (rest.empty()) return {};
  Token token{Token::Kind::kOther, rest.substr(0, 1)};
  const auto extend = [&](Token::Kind kind, bool (*continues)(char) noexcept) {
    const auto* end = std::find_if_not(rest.begin(), rest.end(), continues);
    token = {kind, rest.substr(0, static_cast<std::size_t>(end - rest.begin()))};
  };
  if (is_digit(rest.front())) extend(Token::Kind::kNumber, continues_number);
  if (is_letter(rest.front())) extend(Token::Kind::kWord, continues_word);
  rest.remove_prefix(token.text.size());
  return token;
}

/// Reads each token once, and looks at no more than the next one.
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text), next_(take_token(rest_)) {}

  Result<Limit> limit() {
    if (next_.kind == Token::Kind::kEnd) return refusal("must not be empty.");
    Limit limit;
    if (Status status = window(limit); !status.ok()) return status;
    while (next_.kind != Token::Kind::kEnd) {
      if (limit.window_count() == kMaxWindows) {
        return refusal("must have at most " + std::to_string(kMaxWindows) + " rates.", " Leave out some.");
      }
      take();  // the comma
      Limit another;
      if (Status status = window(another); !status.ok()) return status;
      for (std::size_t i = 0; i < limit.window_count(); ++i) {
        if (is_same_window(limit.window(i), another)) return repeated(another);
      }
      limit.further.push_back(std::move(another));
    }
    return limit;
  }

 private:
  using Kind = Token::Kind;

  Status window(Limit& limit) {
    const std::string_view rate = next_.text;
    if (Status status = number("a whole number of units", limit.rate); !status.ok()) return status;
    if (!next_is("/") && !is_word(next_.text, "per")) {
      return expected("\"/\" or \"per\"",
                      next_is(",") ? " Write numbers without commas, like 1000/h or 1_000/h." : kWriteLikeThis);
    }
    if (Status status = in_range("rate", rate, limit.rate); !status.ok()) return status;
    take();
    if (is_word(next_.text, "calendar")) return calendar(limit);
    if (Status status = period(limit.per); !status.ok()) return status;
    return options(limit);
  }

  Status calendar(Limit& limit) {
    take();
    const auto* name = std::find_if(kCalendarUnits.begin(), kCalendarUnits.end(),
                                    [this](std::string_view unit) { return is_word(next_.text, unit); });
    if (name == kCalendarUnits.end()) return expected("day, week, month or year", kWriteCalendar);
    limit.align = parse_align(*name).value_or(Align::kNone);
    limit.algorithm = Algorithm::kFixedWindowCounter;
    take();
    if (is_word(next_.text, "in")) {
      if (Status status = timezone(limit.timezone); !status.ok()) return status;
    }
    if (algorithm_named(next_.text) == Algorithm::kFixedWindowCounter) take();
    if (next_.kind == Kind::kEnd || next_is(",")) return {};
    return refusal("cannot continue with " + shown(next_.text) + ".", kWriteCalendar);
  }

  /// Its name is all up to the next space or comma.
  Status timezone(std::string& name) {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
    const std::string_view text = rest_.substr(0, rest_.find_first_of(" ,"));
    rest_.remove_prefix(text.size());
    if (text.empty() || !is_timezone_name(text) || !is_known_timezone(text)) {
      return refusal("has an unknown time zone, " + shown(text) + ".", kWriteCalendar);
    }
    if (text != "UTC") name = text;
    take();
    return {};
  }

  static Status repeated(const Limit& window) {
    const std::string length =
        window.align == Align::kNone ? format_period(window.per) : "calendar " + std::string(align_name(window.align));
    return refusal("must not have two rates per " + length + ".", " Keep one of them.");
  }

  Status period(Nanos& per) {
    const char* const begin = next_.text.data();
    std::uint64_t count = 1;
    if (next_.kind == Kind::kNumber) {
      if (Status status = number("a number", count); !status.ok()) return status;
    }
    if (next_.kind != Kind::kWord) return expected("a unit of time", kWriteUnit);
    const std::int64_t unit = unit_millis(next_.text);
    if (unit == 0) return unknown_unit();
    const std::string_view text(begin, static_cast<std::size_t>(next_.text.data() + next_.text.size() - begin));
    take();
    constexpr std::int64_t kMostMillis = kMaxPeriod / std::chrono::milliseconds(1);
    if (count == 0 || count > static_cast<std::uint64_t>(kMostMillis / unit)) {
      return refusal("must have a period from " + std::string(kPeriodRange) + ", not " + shown(text) + ".");
    }
    per = std::chrono::milliseconds(static_cast<std::int64_t>(count) * unit);
    return {};
  }

  Status options(Limit& limit) {
    bool has_algorithm = false;
    while (next_.kind == Kind::kWord) {
      if (is_word(next_.text, "burst")) {
        if (limit.burst) return refusal("has two bursts.", " Write one.");
        take();
        const std::string_view burst = next_.text;
        if (Status status = number("a whole number", limit.burst.emplace()); !status.ok()) return status;
        if (Status status = in_range("burst", burst, *limit.burst); !status.ok()) return status;
      } else if (const auto algorithm = algorithm_named(next_.text)) {
        if (has_algorithm) return refusal("has two algorithms.", " Write one.");
        has_algorithm = true;
        limit.algorithm = *algorithm;
        take();
      } else {
        break;
      }
    }
    if (next_.kind != Kind::kEnd && !next_is(",")) return unexpected();
    if (!limit.burst || limit.algorithm == Algorithm::kTokenBucket) return {};
    return refusal("must not have a burst with " + std::string(algorithm_name(limit.algorithm)) + ".",
                   " Leave out the burst, or choose token_bucket.");
  }

  static Status in_range(std::string_view field, std::string_view text, Units units) {
    if (units >= 1 && units <= kMaxUnits) return {};
    return refusal("must have a " + std::string(field) + " from 1 to " + std::to_string(kMaxUnits) + ", not " +
                   shown(text) + ".");
  }

  /// A number beyond every range is read as one of the largest.
  Status number(std::string_view what, std::uint64_t& value) {
    constexpr std::uint64_t kBeyond = std::uint64_t{1} << 60;
    static_assert(kBeyond > kMaxUnits && kBeyond <= (UINT64_MAX - 9) / 10);
    if (next_.kind != Kind::kNumber) return expected(what);
    const std::string_view text = next_.text;
    if (text.back() == '_' || text.find("__") != text.npos) {
      return refusal("needs a digit on both sides of each \"_\", not " + shown(text) + ".", " Write it like 1_000/h.");
    }
    value = 0;
    for (const char c : text) {
      if (c != '_') value = std::min(value * 10 + static_cast<std::uint64_t>(c - '0'), kBeyond);
    }
    take();
    return {};
  }

  [[nodiscard]] bool next_is(std::string_view text) const { return next_.text == text; }

  void take() {
    previous_ = next_;
    next_ = take_token(rest_);
  }

  [[nodiscard]] Status expected(std::string_view what, std::string_view advice = kWriteLikeThis) const {
    std::string problem = "needs " + std::string(what);
    problem += previous_.kind == Kind::kEnd ? " first" : " after " + shown(previous_.text);
    if (next_.kind != Kind::kEnd) problem += ", not " + shown(next_.text);
    return refusal(problem + ".", next_is(".") ? " Write whole numbers: 1/2s for 0.5/s, 90m for 1.5h." : advice);
  }

  [[nodiscard]] Status unknown_unit() const {
    const bool calendar = std::any_of(kCalendarWords.begin(), kCalendarWords.end(),
                                      [this](std::string_view word) { return is_word_or_plural(next_.text, word); });
    return refusal("has an unknown unit of time, " + shown(next_.text) + ".",
                   calendar ? " Write days, such as 7d or 30d, or calendar month." : kWriteUnit);
  }

  [[nodiscard]] Status unexpected() const {
    const std::string advice = " After the period, write burst 20 or " + std::string(kAlgorithmNames) + ".";
    const bool separates = next_is(";") || next_is("|") || next_is("&") || next_is("+") || is_word(next_.text, "and");
    return refusal("cannot continue with " + shown(next_.text) + ".", separates ? kWriteCommas : advice);
  }

  std::string_view rest_;
  Token next_;
  Token previous_;
};

std::string format_window(const Limit& window) {
  if (window.align != Align::kNone) {
    return std::to_string(window.rate) + "/calendar " + std::string(align_name(window.align)) +
           (window.timezone.empty() ? "" : " in " + window.timezone);
  }
  std::string period = format_period(window.per);
  // One of a unit is written without the number.
  if (period.size() > 1 && period[0] == '1' && !is_digit(period[1])) period.erase(0, 1);
  std::string text = std::to_string(window.rate) + "/" + period;
  if (window.burst) text += " burst " + std::to_string(*window.burst);
  if (window.algorithm != Algorithm::kTokenBucket) text += " " + std::string(algorithm_name(window.algorithm));
  return text;
}

}  // namespace
}  // namespace flint::base

namespace flint {

Result<Limit> parse_limit(std::string_view text) {
  if (text.size() > base::kMaxRateStringBytes) {
    return base::refusal("must be at most " + std::to_string(base::kMaxRateStringBytes) + " bytes, not " +
                         std::to_string(text.size()) + ".");
  }
  if (!base::is_printable_ascii(text)) {
    const auto* at = std::find_if(text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; });
    return base::refusal("must be printable ASCII: the byte at offset " + std::to_string(at - text.begin()) +
                         " is not.");
  }
  return base::Parser(text).limit();
}

std::string format_limit(const Limit& limit) {
  std::string text = base::format_window(limit);
  for (const Limit& window : limit.further) text += ", " + base::format_window(window);
  return text;
}

}  // namespace flint
