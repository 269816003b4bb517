#include "client/answers.h"
#include "client/requests.h"
#include "client/shared_impl.h"
#include "flint/shared_limiter.h"

namespace flint {
namespace {

namespace json = client::json;
using client::Verb;

bool is_of(const ReservationStatus& status, std::string_view reservation) { return status.id == reservation; }

}  // namespace

Result<Decision> SharedLimiter::charge(std::string_view key, Units cost, const ChargeOptions& options) {
  Decision decision;
  Status status = impl_->post("/v1/charge", client::charge_body(key, cost, options), !options.request_id.empty(),
                              [&](const json::value& value) {
                                decision = {};
                                return client::read(value, &decision) && decision.key == key && decision.cost == cost;
                              });
  if (!status.ok()) return status;
  return decision;
}

Result<ReserveResult> SharedLimiter::reserve(std::span<const CheckItem> items, const ReserveOptions& options) {
  ReserveResult result;
  Status status = impl_->post("/v1/reserve", client::reserve_body(items, options), !options.request_id.empty(),
                              [&](const json::value& value) {
                                result = {};
                                return client::read(value, &result) && client::fits(result.decision, items);
                              });
  if (!status.ok()) return status;
  return result;
}

// Settling again answers what the first time answered, so that these may be repeated.

Result<Settlement> SharedLimiter::commit(std::string_view reservation, std::span<const ActualCost> costs) {
  Settlement settlement;
  Status status =
      impl_->post("/v1/commit", client::commit_body(reservation, costs), true, [&](const json::value& value) {
        settlement = {};
        return client::read(value, &settlement);
      });
  if (!status.ok()) return status;
  return settlement;
}

Result<Settlement> SharedLimiter::cancel(std::string_view reservation) {
  Settlement settlement;
  Status status = impl_->post("/v1/cancel", client::cancel_body(reservation), true, [&](const json::value& value) {
    settlement = {};
    return client::read(value, &settlement);
  });
  if (!status.ok()) return status;
  return settlement;
}

Result<ReservationStatus> SharedLimiter::renew(std::string_view reservation, Nanos ttl) {
  ReservationStatus renewed;
  Status status = impl_->post("/v1/renew", client::renew_body(reservation, ttl), true, [&](const json::value& value) {
    renewed = {};
    return client::read(value, &renewed) && is_of(renewed, reservation);
  });
  if (!status.ok()) return status;
  return renewed;
}

Result<ReservationStatus> SharedLimiter::reservation(std::string_view reservation) {
  const std::string path = "/v1/reservations/" + client::percent_encoded(reservation);
  ReservationStatus found;
  Status status =
      impl_->ask({.verb = Verb::kGet, .path = path, .query = {}, .body = {}}, true, [&](const json::value& value) {
        found = {};
        return client::read(value, &found) && is_of(found, reservation);
      });
  if (!status.ok()) return status;
  return found;
}

}  // namespace flint
