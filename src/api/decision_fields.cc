#include "api/decision_fields.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

namespace flint::api {
namespace {

constexpr std::uint64_t kMillisASecond = 1000;
/// The fields of a decision of one window.
constexpr std::size_t kUsualBytes = 96;

std::uint64_t seconds(std::uint64_t millis) { return millis / kMillisASecond + (millis % kMillisASecond != 0 ? 1 : 0); }

/// Appends the pieces of a field one after the other, each in one pass.
void append(std::string& out, std::string_view text, std::uint64_t number) {
  std::array<char, 20> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out.append(text).append(digits.data(), end);
}

void append_windows(std::string& out, const Decision& decision) {
  std::uint64_t number = 0;
  for (const WindowStatus& window : decision.windows()) {
    ++number;
    append(out, number == 1 ? "RateLimit: \"default-" : ", \"default-", number);
    append(out, "\";r=", window.remaining);
    append(out, ";t=", seconds(std::max(window.reset_after_ms, window.retry_after_ms)));
  }
  number = 0;
  for (const WindowStatus& window : decision.windows()) {
    ++number;
    append(out, number == 1 ? "\r\nRateLimit-Policy: \"default-" : ", \"default-", number);
    append(out, "\";q=", window.limit.rate);
    // A period is told in whole seconds or not at all; that of a calendar window is not always the same.
    const auto whole = std::chrono::duration_cast<std::chrono::seconds>(window.limit.per);
    if (whole.count() > 0 && whole == window.limit.per) append(out, ";w=", static_cast<std::uint64_t>(whole.count()));
  }
  out += "\r\n";
}

void append_fields(std::string& out, const Decision& decision) {
  if (!decision.retry_after_ms || decision.would_deny) return;
  out.reserve(out.size() + kUsualBytes);
  const std::uint64_t retry_after_s = seconds(*decision.retry_after_ms);
  if (decision.keys_full) {
    // Of a key that is not there, nothing is known.
  } else if (!decision.windows().empty()) {
    append_windows(out, decision);
  } else {
    append(out, "RateLimit: \"default\";r=", decision.remaining);
    append(out, ";t=", std::max(seconds(decision.reset_after_ms), retry_after_s));
    append(out, "\r\nRateLimit-Policy: \"default\";q=", decision.capacity);
    out += "\r\n";
  }
  if (decision.allowed) return;
  append(out, "Retry-After: ", std::max<std::uint64_t>(1, retry_after_s));
  out += "\r\n";
}

}  // namespace

void append_decision_fields(std::string& out, const backend::Answer& answer) {
  if (const auto* decision = std::get_if<Decision>(&answer)) return append_fields(out, *decision);
  const auto* all = std::get_if<CheckAllResult>(&answer);
  if (all == nullptr || all->results.empty()) return;
  if (!all->allowed) return append_fields(out, all->results.back());
  const Decision* tightest = nullptr;
  for (const Decision& decision : all->results) {
    if (decision.would_deny || decision.keys_full) continue;
    if (tightest == nullptr || decision.remaining < tightest->remaining) tightest = &decision;
  }
  if (tightest != nullptr) append_fields(out, *tightest);
}

}  // namespace flint::api
