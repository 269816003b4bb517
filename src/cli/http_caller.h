#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "cli/caller.h"
#include "cli/endpoint.h"

namespace flint::cli {

struct HttpOptions {
  /// Empty: none is sent.
  std::string token;
  /// For each answer as a whole; of an answer that comes in pieces, for each piece.
  std::chrono::milliseconds timeout{10'000};
};

/// Connects to a server. kUnavailable when that fails or takes too long.
Result<std::unique_ptr<Caller>> connect_http(const Endpoint& endpoint, const HttpOptions& options);

}  // namespace flint::cli
