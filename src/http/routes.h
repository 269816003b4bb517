#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/exchange.h"
#include "api/service.h"
#include "backend/backend.h"
#include "http/events.h"
#include "http/gates.h"
#include "http/monitor.h"
#include "http/page.h"

namespace flint::http {

/// Everything that the server answers: the API, the paths for monitoring systems, the page, the stream of events, and
/// the gates, whose routes alone lead elsewhere (Gates::submit). Used like api::Service.
class Routes {
 public:
  /// The references must outlive it.
  Routes(backend::Backend& backend, const Monitor& monitor, Events& events)
      : service_(backend), monitor_(monitor), events_(events) {}

  [[nodiscard]] api::Service::Route route(api::Method method, std::string_view path) const {
    if (Gates::has(path)) return Gates::route();
    if (Events::has(path)) return Events::route(method);
    if (Page::has(path)) return Page::route(method);
    return Monitor::has(path) ? monitor_.route(method, path) : api::Service::route(method, path);
  }

  /// Whether the path needs no token, because it tells nothing.
  [[nodiscard]] static bool is_public(std::string_view path) noexcept {
    return Monitor::is_public(path) || Page::has(path);
  }

  [[nodiscard]] std::optional<api::Response> submit(const api::Service::Route& route, const api::Request& request,
                                                    backend::Queue& queue, backend::Asker& asker,
                                                    std::uint64_t number) const {
    // A route without an error leads to one of the API's operations, to the events, to the page or to the monitor.
    if (route.operation == nullptr) {
      if (Events::has(request.path)) return events_.open(request);
      return Page::has(request.path) ? Page::handle(request) : monitor_.handle(request);
    }
    return api::Service::submit(route, request, queue, asker, number);
  }

  void run(const api::Service::Route& route, const api::Request& request, std::function<void(api::Response)> done,
           std::string* audit) {
    if (route.operation == nullptr) return monitor_.run(request, std::move(done));
    service_.run(route, request, std::move(done), audit);
  }

 private:
  api::Service service_;
  const Monitor& monitor_;
  Events& events_;
};

}  // namespace flint::http
