#include "http/access.h"

#include "api/errors.h"
#include "http/authority.h"
#include "http/chars.h"
#include "http/chunked_body.h"

namespace flint::http {
namespace {

Refusal refusal(int status, std::string_view code, std::string_view message) {
  return {.response = api::error_response(status, code, message), .close = false, .ask_for_token = false};
}

Refusal closing(Refusal refusal) {
  refusal.close = true;
  return refusal;
}

/// What follows `Bearer` in an Authorization field; empty for another scheme.
std::string_view bearer_token(std::string_view authorization) noexcept {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() < kScheme.size()) return {};
  if (!equals_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) return {};
  return trimmed(authorization.substr(kScheme.size()));
}

/// Of a page that this server itself has served, under the name that the request gives it.
bool is_own(std::string_view origin, std::string_view host) noexcept {
  constexpr std::string_view kScheme = "http://";
  return origin.starts_with(kScheme) && same_authority(origin.substr(kScheme.size()), host);
}

std::optional<Refusal> refuse_browser(const RequestHead& head, const AccessRules& rules) {
  if (rules.keep_browsers_out) {
    // HTTP/1.0 probes have no Host. No browser sends such a request, and the answer is one word.
    const bool nameless_probe = !head.host && Monitor::is_public(head.path);
    if (!nameless_probe && !(head.host && is_loopback(*head.host))) {
      return closing(refusal(421, "misdirected_request",
                             "A server without a token answers only requests for a loopback name: use 127.0.0.1 or "
                             "localhost, or start the server with a token."));
    }
    if (head.from_other_site || (head.origin && !is_own(*head.origin, *head.host))) {
      return refusal(403, "origin_refused", "A server without a token does not answer web pages of others.");
    }
  }
  return std::nullopt;
}

Refusal without_token() {
  Refusal unauthorized =
      refusal(401, "unauthorized", "The request needs the server's token: send it as \"Authorization: Bearer TOKEN\".");
  unauthorized.ask_for_token = true;
  return unauthorized;
}

/// What the sender may do; nothing if it has to prove it first. Where no token is asked for, it may do everything.
std::optional<api::Role> role_of(const RequestHead& head, const AccessRules& rules, const api::Tokens& tokens) {
  if (!rules.asks_for_token || Routes::is_public(head.path)) return api::Role::kAdmin;
  return head.authorization ? tokens.role_of(bearer_token(*head.authorization)) : std::nullopt;
}

Refusal not_for(api::Role role) {
  return refusal(403, "role_refused",
                 "The role of the token, " + std::string(api::name_of(role)) + ", does not allow this request.");
}

/// `application/json`, in UTF-8 if it says which.
bool is_json(std::string_view content_type) noexcept {
  const std::size_t semicolon = content_type.find(';');
  if (!equals_ignoring_case(trimmed(content_type.substr(0, semicolon)), "application/json")) return false;
  while (semicolon != std::string_view::npos && !content_type.empty()) {
    const std::size_t next = content_type.find(';');
    content_type = next == std::string_view::npos ? std::string_view() : content_type.substr(next + 1);
    const std::string_view parameter = trimmed(content_type.substr(0, content_type.find(';')));
    constexpr std::string_view kCharset = "charset=";
    if (parameter.size() < kCharset.size()) continue;
    if (!equals_ignoring_case(parameter.substr(0, kCharset.size()), kCharset)) continue;
    const std::string_view charset = parameter.substr(kCharset.size());
    if (!equals_ignoring_case(charset, "utf-8") && !equals_ignoring_case(charset, "\"utf-8\"")) return false;
  }
  return true;
}

/// No path accepts these methods. `route` has the methods that the path accepts instead, if it exists.
Refusal never_served(const api::Service::Route& route) {
  Refusal refused = refusal(405, "method_not_allowed", "The server does not accept TRACE or CONNECT.");
  refused.response.fields =
      route.error && !route.error->fields.empty() ? route.error->fields : "Allow: GET, HEAD, POST, DELETE\r\n";
  if (route.is_gate) refused.response.fields = "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n";
  return closing(std::move(refused));
}

/// A proxy passes on what its clients send: what a gate does not need is no reason to refuse. It answers no web page,
/// also where a token is asked for, because an image on a page must not spend quota. A body is refused at once: it may
/// never come, and the connection is of no use until it has.
std::optional<Refusal> refuse_at_gate(const RequestHead& head) {
  if (head.from_other_site) {
    return refusal(403, "origin_refused", "A gate does not answer web pages: the proxy must leave out Sec-Fetch-Site.");
  }
  if (head.has_body()) {
    return refusal(413, "body_too_large", "A gate takes no body: the proxy must ask without the one of its client.");
  }
  return std::nullopt;
}

/// JSON is demanded by its content type, not by looking at the body: a web page can send any bytes as a plain form, but
/// `application/json` only after a preflight, which the server refuses.
std::optional<Refusal> refuse_body(const RequestHead& head, const api::Service::Route& route) {
  if (route.is_gate) return refuse_at_gate(head);
  const bool takes_body = route.takes_body;
  const bool must_be_json = head.has_body() || (takes_body && head.content_type);
  if (must_be_json && !(head.content_type && is_json(*head.content_type))) {
    return refusal(415, "unsupported_media_type",
                   "The body must be JSON: send it as \"Content-Type: application/json\".");
  }
  if (must_be_json && head.has_content_encoding) {
    return refusal(415, "unsupported_media_type", "The body must not be compressed: send it without Content-Encoding.");
  }
  if (head.expects_other)
    return refusal(417, "expectation_failed", "The only expectation that the server meets is 100-continue.");
  if (takes_body && head.framing == RequestHead::Framing::kNoBody) {
    return refusal(411, "length_required", "The request needs a body with a Content-Length.");
  }
  if (head.content_length > route.most_body_bytes) return refusal_of(body_too_large(route.most_body_bytes));
  return std::nullopt;
}

}  // namespace

AccessRules tcp_rules(bool asks_for_token) {
  return {.asks_for_token = asks_for_token, .keep_browsers_out = !asks_for_token};
}

AccessRules unix_rules(bool asks_for_token) { return {.asks_for_token = asks_for_token}; }

AccessRules owner_rules() { return {.asks_for_token = false, .keep_browsers_out = false, .is_owners = true}; }

Refusal refusal_of(const BadRequest& bad) { return closing(refusal(bad.status, bad.code, bad.message)); }

/// The order keeps strangers from learning anything: whoever fails a check of identity (Host, Origin, token) gets the
/// same answer for every path and method, and only then is it said what exists. Within that, the cheapest reason that
/// makes the rest pointless comes first. A refusal closes the connection when bytes of a body may still be on their
/// way, because they would be read as the next request.
std::optional<Refusal> refuse(const RequestHead& head, const AccessRules& rules, const api::Tokens& tokens,
                              const Routes& routes, api::Service::Route& route) {
  std::optional<Refusal> refused = refuse_browser(head, rules);
  std::optional<api::Role> role;
  if (!refused) {
    role = role_of(head, rules, tokens);
    if (!role) refused = without_token();
  }
  if (!refused && !head.implemented) {
    refused = closing(refusal(501, "method_not_implemented", "The server does not know this method."));
  }
  if (!refused) {
    route = routes.route(head.method, head.path);
    if (head.is_never_served) {
      refused = never_served(route);
    } else if (route.error) {
      refused = Refusal{*std::move(route.error), false, false};
    } else if (!route.roles.admit(*role)) {
      refused = not_for(*role);
    }
    route.refuses_limits = rules.refuse_carried_limits && role == api::Role::kCheck;
  }
  if (!refused) refused = refuse_body(head, route);
  // A body may also be on its way where one belongs and the request does not say how long it is.
  const bool unsized = head.framing == RequestHead::Framing::kNoBody && route.takes_body;
  if (refused && (head.has_body() || unsized)) refused->close = true;
  return refused;
}

}  // namespace flint::http
