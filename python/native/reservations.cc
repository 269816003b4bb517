#include <nanobind/stl/optional.h>
#include <nanobind/stl/string_view.h>

#include "arguments.h"
#include "base/assert.h"
#include "check_result.h"
#include "errors.h"
#include "limiter.h"
#include "values.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace flint::python {
namespace {

/// The decision, and the name and the end of the reservation.
nb::tuple reserved(const nb::list& items, const ReserveResult& answer) {
  if (!answer.allowed()) return nb::make_tuple(results(items, answer.decision), nb::none(), nb::none());
  FLINT_ASSERT(answer.expires_at);
  return nb::make_tuple(results(items, answer.decision), text(answer.id), datetime(*answer.expires_at));
}

nb::list settled(const Settlement& settlement) {
  nb::list list;
  for (const Decision& decision : settlement.results) list.append(result(text(decision.key), decision));
  return list;
}

std::chrono::milliseconds millis(std::uint64_t count) { return std::chrono::milliseconds(count); }

}  // namespace

Deferred<Decision> LimiterHandle::decide_charge(nb::handle key, Units cost, nb::handle limit, RequestId request_id) {
  const ChargeOptions options{.limit = read_limit(limit), .request_id = request_id.value_or("")};
  return value_or_raise(limiter_->charge_deferred(nb::cast<std::string_view>(key), cost, options));
}

nb::object LimiterHandle::charge(nb::object key, Units cost, nb::handle limit, RequestId request_id) {
  const Deferred<Decision> decided = decide_charge(key, cost, limit, request_id);
  await(decided.ticket);
  return result(std::move(key), decided.value);
}

nb::tuple LimiterHandle::charge_deferred(nb::object key, Units cost, nb::handle limit, RequestId request_id) {
  const Deferred<Decision> decided = decide_charge(key, cost, limit, request_id);
  return nb::make_tuple(result(std::move(key), decided.value), decided.ticket.seq);
}

Deferred<ReserveResult> LimiterHandle::decide_reserve(const nb::list& items, std::uint64_t ttl_ms,
                                                      std::string_view on_expiry, RequestId request_id) {
  const ReadItems read = read_items(items);
  const std::optional<OnExpiry> parsed = parse_on_expiry(on_expiry);
  FLINT_ASSERT(parsed);
  const ReserveOptions options{.ttl = millis(ttl_ms), .on_expiry = *parsed, .request_id = request_id.value_or("")};
  return value_or_raise(limiter_->reserve_deferred(read.items, options));
}

nb::tuple LimiterHandle::reserve(const nb::list& items, std::uint64_t ttl_ms, std::string_view on_expiry,
                                 RequestId request_id) {
  const Deferred<ReserveResult> decided = decide_reserve(items, ttl_ms, on_expiry, request_id);
  await(decided.ticket);
  return reserved(items, decided.value);
}

nb::tuple LimiterHandle::reserve_deferred(const nb::list& items, std::uint64_t ttl_ms, std::string_view on_expiry,
                                          RequestId request_id) {
  const Deferred<ReserveResult> decided = decide_reserve(items, ttl_ms, on_expiry, request_id);
  return nb::make_tuple(reserved(items, decided.value), decided.ticket.seq);
}

Deferred<Settlement> LimiterHandle::decide_commit(std::string_view reservation, const nb::dict& costs) {
  std::vector<ActualCost> actual;
  actual.reserve(costs.size());
  for (const auto& [key, cost] : costs) {
    actual.push_back({.key = nb::cast<std::string_view>(key), .cost = nb::cast<Units>(cost)});
  }
  return value_or_raise(limiter_->commit_deferred(reservation, actual));
}

nb::list LimiterHandle::commit(std::string_view reservation, const nb::dict& costs) {
  const Deferred<Settlement> decided = decide_commit(reservation, costs);
  await(decided.ticket);
  return settled(decided.value);
}

nb::tuple LimiterHandle::commit_deferred(std::string_view reservation, const nb::dict& costs) {
  const Deferred<Settlement> decided = decide_commit(reservation, costs);
  return nb::make_tuple(settled(decided.value), decided.ticket.seq);
}

nb::list LimiterHandle::cancel(std::string_view reservation) {
  const Deferred<Settlement> decided = value_or_raise(limiter_->cancel_deferred(reservation));
  await(decided.ticket);
  return settled(decided.value);
}

nb::tuple LimiterHandle::cancel_deferred(std::string_view reservation) {
  const Deferred<Settlement> decided = value_or_raise(limiter_->cancel_deferred(reservation));
  return nb::make_tuple(settled(decided.value), decided.ticket.seq);
}

nb::object LimiterHandle::renew(std::string_view reservation, std::uint64_t ttl_ms) {
  const Deferred<ReservationStatus> decided = value_or_raise(limiter_->renew_deferred(reservation, millis(ttl_ms)));
  await(decided.ticket);
  return value(decided.value);
}

nb::tuple LimiterHandle::renew_deferred(std::string_view reservation, std::uint64_t ttl_ms) {
  const Deferred<ReservationStatus> decided = value_or_raise(limiter_->renew_deferred(reservation, millis(ttl_ms)));
  return nb::make_tuple(value(decided.value), decided.ticket.seq);
}

nb::object LimiterHandle::reservation(std::string_view reservation) {
  return value(value_or_raise(limiter_->reservation(reservation)));
}

void LimiterHandle::define_reservations(nb::class_<LimiterHandle>& handle) {
  using Handle = LimiterHandle;
  handle.def("charge", &Handle::charge, "key"_a, "cost"_a, "limit"_a.none(), "request_id"_a.none())
      .def("charge_deferred", &Handle::charge_deferred, "key"_a, "cost"_a, "limit"_a.none(), "request_id"_a.none())
      .def("reserve", &Handle::reserve, "items"_a, "ttl_ms"_a, "on_expiry"_a, "request_id"_a.none())
      .def("reserve_deferred", &Handle::reserve_deferred, "items"_a, "ttl_ms"_a, "on_expiry"_a, "request_id"_a.none())
      .def("commit", &Handle::commit, "reservation"_a, "costs"_a)
      .def("commit_deferred", &Handle::commit_deferred, "reservation"_a, "costs"_a)
      .def("cancel", &Handle::cancel, "reservation"_a)
      .def("cancel_deferred", &Handle::cancel_deferred, "reservation"_a)
      .def("renew", &Handle::renew, "reservation"_a, "ttl_ms"_a)
      .def("renew_deferred", &Handle::renew_deferred, "reservation"_a, "ttl_ms"_a)
      .def("reservation", &Handle::reservation, "reservation"_a);
}

}  // namespace flint::python
