#pragma once

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "flint/reservation.h"
#include "limiter/moment.h"
#include "limiter/remembered_requests.h"
#include "limiter/ruled_events.h"
#include "storage/record.h"

namespace flint::limiter {

/// What names a reservation: its number, which no other one of this log has, and random bits, since a reservation whose
/// record a crash of the machine lost may have had the same number.
struct ReservationId {
  std::uint64_t number = 0;
  std::uint64_t secret = 0;

  friend bool operator==(const ReservationId&, const ReservationId&) = default;
};
/// 32 hexadecimal digits in lower case.
[[nodiscard]] std::string format_reservation_id(const ReservationId& id);
/// Nothing if `text` is not exactly that.
[[nodiscard]] std::optional<ReservationId> parse_reservation_id(std::string_view text) noexcept;

/// How a reservation came to its end, as records hold it.
enum class SettledAs : std::uint8_t { kCommitted = 0, kCancelled = 1, kRenewed = 2, kReturned = 3 };

struct Reservation {
  struct Item {
    std::string key;
    /// That the key had when it was charged; kNothingHeld if nothing was: its limit only counts what it would deny, or
    /// there was no room for the key.
    KeyId id = kNothingHeld;
    Units cost = 0;
    /// Once it is settled: what it has been charged in the end, and what was told.
    Units settled = 0;
    RememberedVerdict verdict = {};
  };
  static constexpr KeyId kNothingHeld = UINT32_MAX;

  ReservationId id;
  /// Of the last record that tells of it.
  storage::Seq last_seq = 0;
  Moment reserved_at{};
  Time expires_at{};
  WallTime expires_at_wall{};
  OnExpiry on_expiry = OnExpiry::kKeep;
  /// It expired, and was given back.
  bool is_returned = false;
  /// Holds counts it among those that are held.
  bool is_counted = false;
  /// Committed or cancelled: how and when.
  std::optional<SettledAs> settled = std::nullopt;
  Moment settled_at{};
  boost::container::small_vector<Item, 2> items = {};

  /// From then on nobody knows it any more.
  [[nodiscard]] Time known_until() const noexcept;
  [[nodiscard]] ReservationState state(Time now) const noexcept;
};

/// The reservations that are held, and those that came to an end of late. Threads: guarded by the owner's mutex.
class Holds {
 public:
  explicit Holds(std::size_t most_ended = kMaxReservations) : most_ended_(most_ended) {}

  /// Null if it is not known at `now`.
  [[nodiscard]] Reservation* find(const ReservationId& id, Time now) noexcept;
  /// Whatever its time; null if it is not there.
  [[nodiscard]] Reservation* find(std::uint64_t number) noexcept;
  /// Of the next reservation.
  [[nodiscard]] std::uint64_t next_number() const noexcept { return next_number_; }
  /// Its number is higher than all before.
  void add(Reservation reservation);
  void renew(Reservation& reservation, Time expires_at, WallTime wall);
  /// It is settled, or has expired and was given back.
  void end(Reservation& reservation);

  /// How many are neither settled nor known to have expired.
  [[nodiscard]] std::size_t held() const noexcept { return held_; }
  [[nodiscard]] std::size_t size() const noexcept { return reservations_.size(); }
  /// Before, none expires that is not known to have done so.
  [[nodiscard]] Time next_expiry() const noexcept { return next_expiry_; }
  /// One that has expired at `now`; null if there is none, or no more. It stays the next one until passed_over() or
  /// end().
  [[nodiscard]] Reservation* next_expired(Time now);
  /// One that keeps its charge has expired.
  void pass_over(Reservation& reservation);
  /// Lets go of at most `most` of those that nobody knows any more.
  void forget_old(Time now, std::size_t most);
  void clear();

  /// Calls `visit` with at most `most` of them, from the first one after `number` on.
  template <typename Visit>
  void for_each_after(std::uint64_t number, std::size_t most, const Visit& visit) const {
    for (auto next = std::upper_bound(order_.begin(), order_.end(), number); next != order_.end() && most > 0; ++next) {
      const auto found = reservations_.find(*next);
      if (found == reservations_.end()) continue;
      visit(*found->second);
      --most;
    }
  }

 private:
  using Expiry = std::pair<Time, std::uint64_t>;
  void expect(const Reservation& reservation);
  void pop_expiry();
  void count_out(Reservation& reservation);

  boost::unordered_flat_map<std::uint64_t, std::unique_ptr<Reservation>> reservations_;
  /// Their numbers, ascending, and those of some that are gone.
  std::deque<std::uint64_t> order_;
  std::uint64_t next_number_ = 1;
  std::size_t held_ = 0;
  /// The earliest first. Some may be out of date: the reservation was settled, or renewed.
  std::priority_queue<Expiry, std::vector<Expiry>, std::greater<>> expiries_;
  /// That of the first one: every check asks for it.
  Time next_expiry_ = Time::max();
  /// In the order in which they ended, with what each knew of its end.
  std::deque<Expiry> ended_;
  std::size_t most_ended_;
};

}  // namespace flint::limiter
