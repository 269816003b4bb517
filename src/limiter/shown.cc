#include "limiter/shown.h"

#include "base/calendar.h"

namespace flint::limiter {
namespace {

/// The first time zone of a limit that this machine does not know; empty if there is none.
std::string unknown_timezone(const Limit& limit) {
  for (std::size_t i = 0; i < limit.window_count(); ++i) {
    const std::string& timezone = limit.window(i).timezone;
    if (!timezone.empty() && !base::is_known_timezone(timezone)) [[unlikely]]
      return timezone;
  }
  return {};
}

}  // namespace

/// In place: a check of two windows is to take at most half as long again as one of one, and this is most of it.
std::vector<WindowStatus> shown_windows(const Limit& limit, const algorithm::WindowOutcomes* each, const Moment& at) {
  std::vector<WindowStatus> windows;
  windows.reserve(limit.window_count());
  for (std::size_t i = 0; i < limit.window_count(); ++i) {
    const Limit& window = limit.window(i);
    WindowStatus& shown = windows.emplace_back();
    shown.limit.rate = window.rate;
    shown.limit.per = window.per;
    shown.limit.algorithm = window.algorithm;
    shown.limit.burst = window.burst;
    if (window.align != Align::kNone) {
      shown.limit.align = window.align;
      shown.limit.timezone = window.timezone;
    }
    shown.remaining = each == nullptr ? window.capacity() : each->verdicts[i].remaining;
    const Nanos reset_after = each == nullptr ? Nanos(0) : each->verdicts[i].reset_after;
    shown.reset_at = shown_reset(at, reset_after);
    shown.reset_after_ms = ceil_ms(reset_after);
    shown.retry_after_ms = each == nullptr ? 0 : ceil_ms(each->verdicts[i].retry_after);
  }
  return windows;
}

std::shared_ptr<const DecisionDetails> all_details(const Limit& limit, const algorithm::Outcome& outcome,
                                                   const Moment& at) {
  DecisionDetails details;
  if (!outcome.allowed) details.unknown_timezone = unknown_timezone(limit);
  if (outcome.windows != nullptr) details.windows = shown_windows(limit, outcome.windows, at);
  if (details.unknown_timezone.empty() && details.windows.empty()) return nullptr;
  return std::make_shared<const DecisionDetails>(std::move(details));
}

}  // namespace flint::limiter
