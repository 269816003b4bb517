#pragma once

#include "api/exchange.h"
#include "api/service.h"
#include "http/monitor.h"

namespace flint::http {

/// All that the server answers: the API, and what it tells monitoring systems. As api::Service.
class Routes {
 public:
  /// The references outlive it.
  Routes(Limiter& limiter, const Monitor& monitor) : service_(limiter), monitor_(monitor) {}

  [[nodiscard]] api::Service::Route route(api::Method method, std::string_view path) const {
    return Monitor::has(path) ? Monitor::route(method) : service_.route(method, path);
  }

  [[nodiscard]] Deferred<api::Response> handle(const api::Service::Route& route, const api::Request& request) {
    // A route without an error leads to one of the API's endpoints or to the monitor.
    if (route.endpoint == nullptr) return {monitor_.handle(request), {}};
    return service_.handle(route, request);
  }

 private:
  api::Service service_;
  const Monitor& monitor_;
};

}  // namespace flint::http
