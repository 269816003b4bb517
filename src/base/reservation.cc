#include "flint/reservation.h"

#include "base/assert.h"

namespace flint {

std::string_view on_expiry_name(OnExpiry on_expiry) noexcept {
  switch (on_expiry) {
    case OnExpiry::kKeep:
      return "keep";
    case OnExpiry::kReturn:
      return "return";
  }
  base::assertion_failed("on_expiry is one of OnExpiry", __FILE__, __LINE__);
}

std::optional<OnExpiry> parse_on_expiry(std::string_view name) noexcept {
  for (const OnExpiry each : {OnExpiry::kKeep, OnExpiry::kReturn}) {
    if (name == on_expiry_name(each)) return each;
  }
  return std::nullopt;
}

std::string_view reservation_state_name(ReservationState state) noexcept {
  switch (state) {
    case ReservationState::kHeld:
      return "held";
    case ReservationState::kCommitted:
      return "committed";
    case ReservationState::kCancelled:
      return "cancelled";
    case ReservationState::kExpired:
      return "expired";
  }
  base::assertion_failed("state is one of ReservationState", __FILE__, __LINE__);
}

}  // namespace flint
