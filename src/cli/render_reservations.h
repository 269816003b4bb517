#pragma once

#include "cli/json.h"
#include "cli/question.h"
#include "cli/text.h"

/// The answers about charges and reservations as people read them.
namespace flint::cli {

/// kDone also where it did not fit.
Shown render_charge(const json::value& decision, const json::object& asked, const Style& style);
/// The decisions and, on a line of its own, the reservation.
Shown render_reserve(const json::value& result, const json::object& asked, const Style& style);
Shown render_settlement(const json::value& answer, const json::object& asked, const Style& style);
Shown render_reservation(const json::value& status, const json::object& asked, const Style& style);

}  // namespace flint::cli
