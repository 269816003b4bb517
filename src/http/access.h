#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/exchange.h"
#include "api/service.h"
#include "api/tokens.h"
#include "http/request_head.h"
#include "http/routes.h"

/// Decides from the head of a request, before its body is read, whether it may continue.
namespace flint::http {

/// The access rules of a connection, which depend on the socket that accepted it.
struct AccessRules {
  /// Requests need one of the tokens that refuse() gets.
  bool asks_for_token = false;
  /// Refuse the requests that a web page can make a browser send: a Host that is not a loopback name, any Origin, and
  /// requests from pages of other sites. Answers say that no page may embed or frame them.
  bool keep_browsers_out = false;
  /// Whoever has a token of the role check may not send a limit with a check.
  bool refuse_carried_limits = false;
  /// Only the owner of the data directory can connect.
  bool is_owners = false;
};

/// For a TCP address, with or without a token.
[[nodiscard]] AccessRules tcp_rules(bool asks_for_token);
/// For a Unix socket, which only its owner can connect to, and no browser.
[[nodiscard]] AccessRules unix_rules(bool asks_for_token);
/// For the socket in the data directory. A user who can open it can also read the directory, so that a token would
/// protect nothing.
[[nodiscard]] AccessRules owner_rules();

/// An answer that replaces the operation's.
struct Refusal {
  api::Response response;
  bool close = false;
  bool ask_for_token = false;
};

/// Checks, in this order: Host, Origin and site, token (except for Routes::is_public paths), method, route, role of
/// the token, content type, length; of a gate, site and body in place of the last two. `tokens` are the server's. The
/// route is looked up only if the checks before it pass; `route` is set if nothing is refused.
[[nodiscard]] std::optional<Refusal> refuse(const RequestHead& head, const AccessRules& rules,
                                            const api::Tokens& tokens, const Routes& routes,
                                            api::Service::Route& route);

[[nodiscard]] Refusal refusal_of(const BadRequest& bad);

}  // namespace flint::http
