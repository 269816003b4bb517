#include "limiter/counters.h"

#include <algorithm>

#include "base/arithmetic.h"
#include "limiter/moment.h"

namespace flint::limiter {
namespace {

constexpr std::uint8_t kHasLastAllowed = 1;
constexpr std::uint8_t kHasLastDenied = 2;
constexpr std::uint8_t kHasLastReset = 4;
constexpr std::uint8_t kHasWouldDeny = 8;

void write_time(base::Writer& out, MaybeTime time) {
  if (time.has_value()) out.fixed((*time).time_since_epoch().count());
}

/// False for a time that no limiter shows.
bool read_time(base::Reader& in, bool present, MaybeTime& time) {
  if (!present) return true;
  const WallTime read(Nanos(in.fixed<std::int64_t>()));
  time = read;
  return is_wall_time(read);
}

}  // namespace

void Counters::add_allowed(Units cost, WallTime at) noexcept {
  ++allowed;
  allowed_cost = base::saturating_add(allowed_cost, cost);
  last_allowed_at = at;
}

void Counters::add_denied(const Denials& denials) noexcept {
  if (denials.count == 0) return;
  denied = base::saturating_add(denied, denials.count);
  denied_cost = base::saturating_add(denied_cost, denials.cost);
  last_denied_at = denials.last;
}

void Counters::add_would_deny(const Denials& denials) noexcept {
  would_deny = base::saturating_add(would_deny, denials.count);
}

void Counters::add(const Counters& other) noexcept {
  allowed = base::saturating_add(allowed, other.allowed);
  allowed_cost = base::saturating_add(allowed_cost, other.allowed_cost);
  denied = base::saturating_add(denied, other.denied);
  denied_cost = base::saturating_add(denied_cost, other.denied_cost);
  last_allowed_at = std::max(last_allowed_at, other.last_allowed_at);
  last_denied_at = std::max(last_denied_at, other.last_denied_at);
  last_reset_at = std::max(last_reset_at, other.last_reset_at);
  would_deny = base::saturating_add(would_deny, other.would_deny);
}

void write_counters(base::Writer& out, const Counters& counters) noexcept {
  // What is read back is at most this; one who writes a log by hand can have it counted beyond.
  out.varint(std::min(counters.allowed, kMaxCounted));
  out.varint(counters.allowed_cost);
  out.varint(std::min(counters.denied, kMaxCounted));
  out.varint(counters.denied_cost);
  out.fixed(static_cast<std::uint8_t>((counters.last_allowed_at.has_value() ? kHasLastAllowed : 0) |
                                      (counters.last_denied_at.has_value() ? kHasLastDenied : 0) |
                                      (counters.last_reset_at.has_value() ? kHasLastReset : 0) |
                                      (counters.would_deny > 0 ? kHasWouldDeny : 0)));
  write_time(out, counters.last_allowed_at);
  write_time(out, counters.last_denied_at);
  write_time(out, counters.last_reset_at);
  if (counters.would_deny > 0) out.varint(std::min(counters.would_deny, kMaxCounted));
}

bool read_counters(base::Reader& in, Counters& counters) noexcept {
  counters.allowed = in.varint();
  counters.allowed_cost = in.varint();
  counters.denied = in.varint();
  counters.denied_cost = in.varint();
  const auto present = in.fixed<std::uint8_t>();
  const bool has_times = read_time(in, (present & kHasLastAllowed) != 0, counters.last_allowed_at) &&
                         read_time(in, (present & kHasLastDenied) != 0, counters.last_denied_at) &&
                         read_time(in, (present & kHasLastReset) != 0, counters.last_reset_at);
  const bool has_would_deny = (present & kHasWouldDeny) != 0;
  if (has_would_deny) counters.would_deny = in.varint();
  return has_times && in.ok() && present <= (kHasLastAllowed | kHasLastDenied | kHasLastReset | kHasWouldDeny) &&
         has_would_deny == (counters.would_deny > 0) && counters.would_deny <= kMaxCounted &&
         counters.allowed <= kMaxCounted && counters.denied <= kMaxCounted;
}

}  // namespace flint::limiter
