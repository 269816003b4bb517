#pragma once

#include <string_view>

#include "api/exchange.h"
#include "flint/limiter.h"

/// The HTTP API without HTTP: what each endpoint takes and answers, over a Limiter. The server puts sockets under it;
/// the command calls it in its own process, so that `--json` is the API's JSON by construction.
namespace flint::api {

struct Endpoint;

/// Threads: any.
class Service {
 public:
  /// `limiter` outlives the service.
  explicit Service(Limiter& limiter) : limiter_(limiter) {}

  /// What the request needs before it can be handled. Routes on method and path alone, so that a server can refuse
  /// before it reads a body: `error.status` is 200, 404, 405, or 400 for a path with a bad percent escape.
  struct Route {
    Response error;
    bool takes_body = false;
    Effect effect = Effect::kReads;
    /// What handle() calls. Static storage; null when `error` says why there is nothing to call.
    const Endpoint* endpoint = nullptr;
  };
  [[nodiscard]] Route route(Method method, std::string_view path) const;

  /// Decides and logs, but does not wait: the response may be told to nobody before its ticket is durable; if that
  /// fails, tell failure_response() instead. What blocks() does so in here. `route` is that of the request's method and
  /// path, without an error.
  Deferred<Response> handle(const Route& route, const Request& request);
  /// The same for who does not need the route before.
  Deferred<Response> handle(const Request& request);

 private:
  Limiter& limiter_;
};

}  // namespace flint::api
