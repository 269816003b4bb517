#include "api/service.h"

#include "api/endpoints.h"
#include "api/errors.h"
#include "api/url.h"
#include "base/assert.h"

namespace flint::api {
namespace {

/// What a method and a path lead to.
struct Match {
  /// Null when the path is unknown, or has no such method.
  const Endpoint* endpoint = nullptr;
  bool has_get = false;
  bool has_post = false;
};

Match find_endpoint(Method method, std::string_view path) {
  Match match;
  for (const Endpoint& endpoint : endpoints()) {
    if (!endpoint.matches(path)) continue;
    match.has_get |= endpoint.method == Method::kGet;
    match.has_post |= endpoint.method == Method::kPost;
    if (endpoint.method != method) continue;
    match.endpoint = &endpoint;
    break;
  }
  return match;
}

Response refusal(const Match& match, std::string_view path) {
  if (!is_percent_encoded(path)) {
    return error_response(400, "invalid_argument", "The path has a '%' without two hexadecimal digits behind it.");
  }
  if (!match.has_get && !match.has_post) {
    return error_response(404, "unknown_path", "There is nothing at this path. The API's paths begin with /v1/.");
  }
  Response response = error_response(405, "method_not_allowed", "This path does not take this method.");
  response.allow = match.has_get && match.has_post ? "GET, HEAD, POST" : match.has_get ? "GET, HEAD" : "POST";
  return response;
}

Deferred<Response> call_endpoint(const Endpoint& endpoint, Limiter& limiter, const Request& request) {
  EndpointCall call{.limiter = limiter, .request = request, .encoded_key = {}};
  if (endpoint.takes_key()) call.encoded_key = request.path.substr(endpoint.path.size());
  // One a thread: its memory is used again, and an endpoint is done with it when it returns.
  static thread_local JsonDocument document;
  if (endpoint.takes_body || !request.body.empty()) {
    const Status parsed = document.parse(request.body);
    if (!parsed.ok()) return {error_response(400, "invalid_json", parsed.message()), {}};
    call.body = &document;
  }
  return endpoint.handle(call);
}

}  // namespace

Service::Route Service::route(Method method, std::string_view path) const {
  const Match match = find_endpoint(method, path);
  Route route;
  if (match.endpoint == nullptr || !is_percent_encoded(path)) {
    route.error = refusal(match, path);
    return route;
  }
  route.takes_body = match.endpoint->takes_body;
  route.effect = match.endpoint->effect;
  route.endpoint = match.endpoint;
  return route;
}

Deferred<Response> Service::handle(const Route& route, const Request& request) {
  FLINT_ASSERT(route.endpoint != nullptr);
  return call_endpoint(*route.endpoint, limiter_, request);
}

Deferred<Response> Service::handle(const Request& request) {
  const Match match = find_endpoint(request.method, request.path);
  if (match.endpoint == nullptr) return {refusal(match, request.path), {}};
  return call_endpoint(*match.endpoint, limiter_, request);
}

}  // namespace flint::api
