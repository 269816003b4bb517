#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/connection.h"
#include "client/fields.h"
#include "flint/decision.h"
#include "flint/reservation.h"
#include "flint/status.h"

/// What an answer of the HTTP API says, as the values of the library. Each function says whether it could read it.
namespace flint::client {

bool read(const json::value& value, Decision* decision);
bool read(const json::value& value, CheckAllResult* result);
bool read(const json::value& value, ReserveResult* result);
bool read(const json::value& value, Settlement* settlement);
bool read(const json::value& value, ReservationStatus* status);
bool read(const json::value& value, LimitStatus* status);
bool read(const json::value& value, Event* event);
/// A decision or the failure of a check.
bool read(const json::value& value, Result<Decision>* result);

/// Whether the decisions are those of the items, in their order: all of them, or up to the one that denied.
[[nodiscard]] bool fits(const CheckAllResult& result, std::span<const CheckItem> items);

/// Of an answer whose HTTP status is not 200: the code and the sentence that it names; nothing if it names none.
[[nodiscard]] std::optional<Status> refusal(const Answer& answer);

}  // namespace flint::client
