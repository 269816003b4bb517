#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flint/decision.h"
#include "flint/limit.h"

namespace flint {

inline constexpr Nanos kMinReservationTtl = std::chrono::milliseconds(1);
inline constexpr Nanos kMaxReservationTtl = kMaxPeriod;
/// Reservations that are held at one time.
inline constexpr std::size_t kMaxReservations = 1'000'000;
/// How long a reservation is known after it was settled or has expired.
inline constexpr Nanos kSettledKnownFor = std::chrono::minutes(10);

/// What becomes of the charge of a reservation that nobody settles before its end. The values are stored on disk and
/// never change meaning.
enum class OnExpiry : std::uint8_t {
  /// It stays: the units count as used.
  kKeep = 0,
  /// It is refunded, as cancel() would.
  kReturn = 1,
};

/// The name of `on_expiry`: `keep` or `return`. Static storage.
[[nodiscard]] std::string_view on_expiry_name(OnExpiry on_expiry) noexcept;
[[nodiscard]] std::optional<OnExpiry> parse_on_expiry(std::string_view name) noexcept;

struct ChargeOptions {
  /// A limit that the charge carries; see Limiter::check().
  std::optional<Limit> limit = std::nullopt;
  /// Names the request, so that it can be sent again; empty if it has no name. See Limiter::check().
  std::string_view request_id = {};
};

struct ReserveOptions {
  /// From kMinReservationTtl to kMaxReservationTtl, in whole milliseconds.
  Nanos ttl{};
  OnExpiry on_expiry = OnExpiry::kKeep;
  std::string_view request_id = {};
};

/// The answer to reserve(): a decision over all items and, if it allows them, the reservation.
struct ReserveResult {
  CheckAllResult decision;
  /// Names the reservation: 32 hexadecimal digits. Empty if it was denied.
  std::string id = {};
  /// None if it was denied.
  std::optional<WallTime> expires_at = std::nullopt;

  [[nodiscard]] bool allowed() const noexcept { return decision.allowed; }
};

/// What one key of a reservation really cost: from 0 to kMaxUnits.
struct ActualCost {
  std::string_view key;
  Units cost = 0;
};

/// The answer to commit() and cancel(): for each item of the reservation, in its order, a decision as of now. `cost` is
/// what the item has been charged in the end, and `allowed` says whether what was charged beyond the reserved units
/// fitted; it was charged either way.
struct Settlement {
  std::vector<Decision> results;
};

enum class ReservationState : std::uint8_t { kHeld, kCommitted, kCancelled, kExpired };

/// The name of `state`: `held`, `committed`, `cancelled` or `expired`. Static storage.
[[nodiscard]] std::string_view reservation_state_name(ReservationState state) noexcept;

struct ReservedItem {
  std::string key;
  /// The units that were reserved.
  Units cost = 0;
};

struct ReservationStatus {
  std::string id;
  ReservationState state = ReservationState::kHeld;
  std::vector<ReservedItem> items;
  WallTime reserved_at{};
  /// When it expires, or has expired, unless it is settled before.
  WallTime expires_at{};
  OnExpiry on_expiry = OnExpiry::kKeep;
  /// When it was committed or cancelled; none until then.
  std::optional<WallTime> settled_at = std::nullopt;
};

}  // namespace flint
