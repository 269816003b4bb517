#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "cli/caller.h"
#include "cli/endpoint.h"

namespace flint::cli {

struct HttpOptions {
  /// Empty: none is sent. To a Unix socket it goes only if that asks for one.
  std::string token;
  /// For each answer as a whole.
  std::chrono::milliseconds timeout{10'000};
};

/// Connects to a server. kUnavailable when that fails or takes too long, kPermission when the process at the other end
/// of a Unix socket is not one to believe (SocketPlace::check_peer). Answers of more than 64 MiB are kUnavailable.
Result<std::unique_ptr<Caller>> connect_http(const Endpoint& endpoint, const HttpOptions& options);

}  // namespace flint::cli
