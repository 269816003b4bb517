#pragma once

#include <string>
#include <string_view>

#include "flint/status.h"

namespace flint::client {

/// Where a server listens.
struct Endpoint {
  /// As people write it: `http://127.0.0.1:7878`, `https://limits.example/flint`, `unix:/run/flint.sock`.
  std::string text;
  /// Of a Unix socket; empty for TCP.
  std::string socket_path;
  std::string host;
  std::string port;
  bool tls = false;
  /// What stands before the path of each request, such as `/flint` where a proxy has the server there; empty for none.
  std::string prefix = {};
};

/// Parses `http://HOST[:PORT][/PREFIX]` or `https://...` (port 80 or 443 by default, as in every URL; `[...]` around an
/// IPv6 address), or `unix:PATH`. A kInvalidArgument message says what is allowed.
Result<Endpoint> parse_server_url(std::string_view url);

[[nodiscard]] Endpoint unix_endpoint(std::string_view socket_path);

}  // namespace flint::client
