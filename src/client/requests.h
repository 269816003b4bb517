#pragma once

#include <span>
#include <string>
#include <string_view>

#include "flint/decision.h"
#include "flint/limiter.h"
#include "flint/reservation.h"
#include "flint/status.h"

/// What is asked, as the HTTP API takes it. What cannot be said in JSON (keys that are not UTF-8, limits that have no
/// rate string because they are not valid) fails here with kInvalidArgument; the server judges the rest.
namespace flint::client {

Result<std::string> check_body(const BatchCheck& check);
Result<std::string> check_all_body(std::span<const CheckItem> items, const CheckAllOptions& options);
Result<std::string> check_batch_body(std::span<const BatchCheck> checks);
Result<std::string> charge_body(std::string_view key, Units cost, const ChargeOptions& options);
Result<std::string> reserve_body(std::span<const CheckItem> items, const ReserveOptions& options);
Result<std::string> commit_body(std::string_view reservation, std::span<const ActualCost> costs);
Result<std::string> cancel_body(std::string_view reservation);
Result<std::string> renew_body(std::string_view reservation, Nanos ttl);
Result<std::string> limit_body(std::string_view key, const Limit& limit, const LimitOptions& options);
Result<std::string> key_body(std::string_view key);
Result<std::string> prefix_body(std::string_view prefix);

/// `/v1/limits/` or `/v1/history/` and a key.
Result<std::string> key_path(std::string_view before, std::string_view key);
[[nodiscard]] std::string percent_encoded(std::string_view text);

}  // namespace flint::client
