#pragma once

#include <span>
#include <string_view>

#include "api/exchange.h"
#include "api/json_document.h"
#include "flint/limiter.h"

/// What stands behind each path: one function an endpoint, and the table that finds it.
namespace flint::api {

/// A request on its way to its endpoint.
struct EndpointCall {
  Limiter& limiter;
  const Request& request;
  /// What the request's body holds; null when it has none.
  const JsonDocument* body = nullptr;
  /// The key at the end of the path, still percent-encoded; empty where the path has none.
  std::string_view encoded_key;
};

struct Endpoint {
  Method method;
  /// Ends with '/' when a key follows.
  std::string_view path;
  bool takes_body;
  Effect effect;
  Deferred<Response> (*handle)(const EndpointCall& call);

  [[nodiscard]] bool takes_key() const { return path.ends_with('/'); }
  /// Whether `request_path` is one of this endpoint's.
  [[nodiscard]] bool matches(std::string_view request_path) const;
};

/// A new endpoint is a row here and a function.
[[nodiscard]] std::span<const Endpoint> endpoints() noexcept;

/// What GET /v1/doctor answers, also for a report that was made without a Limiter (flint::inspect, flint::repair).
[[nodiscard]] Response doctor_response(const DoctorReport& report);

}  // namespace flint::api
