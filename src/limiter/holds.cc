#include "limiter/holds.h"

#include <algorithm>
#include <utility>

#include "base/arithmetic.h"
#include "base/assert.h"

namespace flint::limiter {
namespace {

constexpr std::size_t kDigits = 16;

constexpr std::string_view kHexadecimal = "0123456789abcdef";

/// By hand: a formatter and the standard's search took as long as all the rest of a settlement.
std::optional<std::uint64_t> parse_digits(std::string_view digits) noexcept {
  std::uint64_t value = 0;
  for (const char digit : digits) {
    const bool is_decimal = digit >= '0' && digit <= '9';
    if (!is_decimal && (digit < 'a' || digit > 'f')) return std::nullopt;
    value = value << 4 | static_cast<std::uint64_t>(is_decimal ? digit - '0' : digit - 'a' + 10);
  }
  return value;
}

}  // namespace

std::string format_reservation_id(const ReservationId& id) {
  std::string text(2 * kDigits, '0');
  for (std::size_t i = 0; i < kDigits; ++i) {
    const std::size_t shift = 4 * (kDigits - 1 - i);
    text[i] = kHexadecimal[id.number >> shift & 15];
    text[kDigits + i] = kHexadecimal[id.secret >> shift & 15];
  }
  return text;
}

std::optional<ReservationId> parse_reservation_id(std::string_view text) noexcept {
  if (text.size() != 2 * kDigits) return std::nullopt;
  const auto number = parse_digits(text.substr(0, kDigits));
  const auto secret = parse_digits(text.substr(kDigits));
  if (!number || !secret) return std::nullopt;
  return ReservationId{*number, *secret};
}

Time Reservation::known_until() const noexcept {
  const Time ended = settled ? settled_at.time : expires_at;
  return base::saturating_add(ended, kSettledKnownFor);
}

ReservationState Reservation::state(Time now) const noexcept {
  if (settled) return *settled == SettledAs::kCommitted ? ReservationState::kCommitted : ReservationState::kCancelled;
  return is_returned || expires_at <= now ? ReservationState::kExpired : ReservationState::kHeld;
}

Reservation* Holds::find(std::uint64_t number) noexcept {
  const auto found = reservations_.find(number);
  return found == reservations_.end() ? nullptr : found->second.get();
}

Reservation* Holds::find(const ReservationId& id, Time now) noexcept {
  Reservation* const found = find(id.number);
  return found != nullptr && found->id == id && found->known_until() > now ? found : nullptr;
}

void Holds::add(Reservation reservation) {
  const std::uint64_t number = reservation.id.number;
  next_number_ = std::max(next_number_, number + 1);
  const auto [place, is_new] = reservations_.emplace(number, std::make_unique<Reservation>(std::move(reservation)));
  FLINT_ASSERT(is_new);
  if (order_.size() > 2 * reservations_.size() + 64) {
    std::erase_if(order_, [this](std::uint64_t each) { return !reservations_.contains(each); });
  }
  order_.push_back(number);
  Reservation& added = *place->second;
  if (added.settled || added.is_returned) {
    ended_.emplace_back(added.known_until(), number);
    return;
  }
  added.is_counted = true;
  ++held_;
  expect(added);
}

/// With room for one more of each that is held: the rest is out of date.
void Holds::expect(const Reservation& reservation) {
  if (expiries_.size() > 2 * held_ + 64) {
    std::vector<Expiry> current;
    for (; !expiries_.empty(); expiries_.pop()) {
      const Reservation* each = find(expiries_.top().second);
      const bool is_current = each != nullptr && !each->settled && !each->is_returned &&
                              each->expires_at == expiries_.top().first && each != &reservation;
      if (is_current) current.push_back(expiries_.top());
    }
    expiries_ = std::priority_queue(std::greater<>(), std::move(current));
  }
  expiries_.emplace(reservation.expires_at, reservation.id.number);
  next_expiry_ = expiries_.top().first;
}

void Holds::pop_expiry() {
  expiries_.pop();
  next_expiry_ = expiries_.empty() ? Time::max() : expiries_.top().first;
}

void Holds::renew(Reservation& reservation, Time expires_at, WallTime wall) {
  reservation.expires_at = expires_at;
  reservation.expires_at_wall = wall;
  expect(reservation);
}

Reservation* Holds::next_expired(Time now) {
  while (!expiries_.empty() && expiries_.top().first <= now) {
    Reservation* const next = find(expiries_.top().second);
    if (next != nullptr && !next->settled && !next->is_returned && next->expires_at == expiries_.top().first)
      return next;
    pop_expiry();
  }
  return nullptr;
}

void Holds::count_out(Reservation& reservation) {
  if (std::exchange(reservation.is_counted, false)) --held_;
  ended_.emplace_back(reservation.known_until(), reservation.id.number);
}

void Holds::pass_over(Reservation& reservation) {
  FLINT_ASSERT(!expiries_.empty() && expiries_.top().second == reservation.id.number);
  pop_expiry();
  count_out(reservation);
}

void Holds::end(Reservation& reservation) { count_out(reservation); }

void Holds::forget_old(Time now, std::size_t most) {
  for (; most > 0 && !ended_.empty(); --most) {
    const auto [until, number] = ended_.front();
    if (until > now && ended_.size() <= most_ended_) return;
    ended_.pop_front();
    const Reservation* const ended = find(number);
    // It may have been settled since it expired, and then waits a second time.
    if (ended != nullptr && ended->known_until() <= std::max(now, until)) reservations_.erase(number);
  }
}

void Holds::clear() {
  reservations_.clear();
  order_.clear();
  next_number_ = 1;
  held_ = 0;
  expiries_ = decltype(expiries_)();
  next_expiry_ = Time::max();
  ended_.clear();
}

}  // namespace flint::limiter
