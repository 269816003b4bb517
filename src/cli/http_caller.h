#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "cli/caller.h"
#include "cli/endpoint.h"

namespace flint::cli {

struct HttpOptions {
  /// If empty, none is sent. A Unix socket gets it only after asking for one.
  std::string token;
  /// The time for each complete answer.
  std::chrono::milliseconds timeout{10'000};
};

/// Connects to a server. Fails with kUnavailable if that fails or takes too long, and with kPermission if the process
/// at the other end of a Unix socket may not be trusted (SocketPlace::check_peer). An answer above 64 MiB is
/// kUnavailable.
Result<std::unique_ptr<Caller>> connect_http(const Endpoint& endpoint, const HttpOptions& options);

}  // namespace flint::cli
