#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flint/status.h"

namespace flint::net {

/// Where a server listens.
struct BindAddress {
  /// Of a Unix socket; empty for TCP.
  std::string path;
  /// Of TCP: an IP address in digits.
  std::string host;
  /// 0: any free one.
  std::uint16_t port = 0;

  [[nodiscard]] bool is_unix() const { return !path.empty(); }
  /// Only this machine can reach it.
  [[nodiscard]] bool is_local() const;
  /// As a client names it: `http://127.0.0.1:7878`, `http://[::1]:7878`, `unix:PATH`.
  [[nodiscard]] std::string url() const;
};

/// `127.0.0.1:7878`, `[::1]:7878`, `localhost:7878` (which is 127.0.0.1) or `unix:PATH`. kInvalidArgument says what is
/// allowed. Names are not looked up: an answer of the network would decide who can reach the server.
Result<BindAddress> parse_bind_address(std::string_view text);

}  // namespace flint::net
