#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flint/status.h"

namespace flint::net {

/// The address on which a server listens, beside the socket in its data directory.
struct BindAddress {
  /// The path of a Unix socket; empty for TCP.
  std::string path;
  /// For TCP: a numeric IP address.
  std::string host;
  /// 0: any free port.
  std::uint16_t port = 0;

  [[nodiscard]] bool is_unix() const { return !path.empty(); }
  /// Only the socket in the data directory.
  [[nodiscard]] bool is_none() const { return path.empty() && host.empty(); }
  /// Whether only this machine can reach it.
  [[nodiscard]] bool is_local() const;
  /// The address as clients write it: `http://127.0.0.1:7878`, `http://[::1]:7878`, `unix:PATH`;
  /// `none`.
  [[nodiscard]] std::string url() const;
};

/// Parses `127.0.0.1:7878`, `[::1]:7878`, `localhost:7878` (which is 127.0.0.1), `unix:PATH` or `none`. A
/// kInvalidArgument message says what is allowed. Names are not looked up, because the network would then decide who
/// can reach the server.
Result<BindAddress> parse_bind_address(std::string_view text);

}  // namespace flint::net
