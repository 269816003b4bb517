#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/coding.h"
#include "limiter/holds.h"
#include "limiter/ruled_events.h"

/// What records tell of reservations, as bytes. The layout is in docs/log_format.md ("Payloads of the limiter").
namespace flint::limiter {

/// The head of a reservation. The ruled items behind it are its charges: one for each key that `is_held`, in the order
/// of the keys.
struct ReservedEvent {
  struct Key {
    std::string_view name;
    Units cost = 0;
    bool is_held = false;
  };
  ReservationId id;
  Nanos ttl{};
  OnExpiry on_expiry = OnExpiry::kKeep;
  std::vector<Key> keys = {};
};

/// One item of a reservation after its settlement.
struct SettledItem {
  /// Reservation::kNothingHeld: nothing changes.
  KeyId id = Reservation::kNothingHeld;
  Denials denials = {};
  /// Charged beyond what was charged before; 0 if nothing was.
  Units extra = 0;
  /// How much less it cost than was charged before; whether that can be given back is another matter.
  Units less = 0;
  /// Those of the key that change: by `extra`, or by what is given back.
  std::vector<RecordedUsage> usages = {};
  /// What it has been charged in the end, and what its caller is told. Not of a renewal.
  Units cost = 0;
  RememberedVerdict verdict = {};
};

struct SettledEvent {
  SettledAs as = SettledAs::kCommitted;
  std::uint64_t number = 0;
  /// kRenewed: from the event on.
  Nanos ttl{};
  /// One for each item of the reservation, in their order.
  std::vector<SettledItem> items = {};
};

/// The most bytes of each, without their ruled items.
inline constexpr std::size_t kMaxReservedHeadBytes = 1 + 10 + 8 + 10 + 5;
inline constexpr std::size_t kMaxReservedKeyBytes = 2 + kMaxKeyBytes + 10;
inline constexpr std::size_t kMaxSettledHeadBytes = 1 + 10 + 10;
/// `windows`: those of all usages.
[[nodiscard]] constexpr std::size_t most_settled_bytes(std::size_t windows) noexcept {
  return 1 + 5 + 30 + 10 + 20 + kMaxVerdictBytes + most_ruled_bytes(0, windows);
}

void write_reserved(base::Writer& out, const ReservedEvent& event) noexcept;
void write_settled(base::Writer& out, const SettledEvent& event, WallTime wall) noexcept;

/// False for what no limiter writes. Names live as long as what is read, the states of several windows as long as
/// `space`.
[[nodiscard]] bool read_reserved(base::Reader& in, ReservedEvent& event);
[[nodiscard]] bool read_settled(base::Reader& in, const Moment& at, SettledEvent& event, algorithm::WindowSpace& space);

/// A duration from kMinReservationTtl to kMaxReservationTtl, in ms.
void write_ttl(base::Writer& out, Nanos ttl) noexcept;
[[nodiscard]] bool read_ttl(base::Reader& in, Nanos& ttl);

}  // namespace flint::limiter
