#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/exchange.h"
#include "api/service.h"
#include "http/request_head.h"
#include "http/routes.h"

/// Whether a request may go on once its head is read, and before a byte of its body is.
namespace flint::http {

/// Who may ask, by the socket that a connection came in on.
struct AccessRules {
  /// The one that refuse() is given.
  bool asks_for_token = false;
  /// Refuse what a web page could make a browser send: hosts that are no loopback names, any Origin, and what another
  /// site's page asks for. Answers say that no page may embed or frame them.
  bool keep_browsers_out = false;
  /// Only the owner of the data directory can connect.
  bool is_owners = false;
};

/// For an address that a token protects, or nothing does.
[[nodiscard]] AccessRules tcp_rules(bool asks_for_token);
/// For a socket that only its owner can connect to, and no browser at all.
[[nodiscard]] AccessRules unix_rules(bool asks_for_token);
/// For the socket in the data directory: who can open it can read the directory as well, so a token protects nothing.
[[nodiscard]] AccessRules owner_rules();

/// An answer in place of the endpoint's.
struct Refusal {
  api::Response response;
  bool close = false;
  bool ask_for_token = false;
};

/// In this order: Host, Origin and site, token (but for Monitor::is_public paths), method, route, content type, length.
/// `token` is the server's. `route` is asked for only when the request has come so far, and set if nothing is refused.
[[nodiscard]] std::optional<Refusal> refuse(const RequestHead& head, const AccessRules& rules, std::string_view token,
                                            const Routes& routes, api::Service::Route& route);

[[nodiscard]] Refusal refusal_of(const BadRequest& bad);

/// Compares in a time that depends on the length of `given` only.
[[nodiscard]] bool same_secret(std::string_view given, std::string_view secret) noexcept;

}  // namespace flint::http
