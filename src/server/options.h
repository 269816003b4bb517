#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "api/tokens.h"
#include "flint/options.h"
#include "flint/status.h"
#include "net/event_log.h"

/// What an operator may choose for a server.
namespace flint::server {

/// Absolute: bytes that trickle in or out do not put them off.
struct Deadlines {
  /// From the first byte of a request to the end of its head.
  std::chrono::milliseconds head{10'000};
  /// From the end of the head to the end of the body.
  std::chrono::milliseconds body{10'000};
  /// From the first byte of an answer (of a long one: of each piece) that does not fit into the socket to the last.
  std::chrono::milliseconds write{10'000};
  /// Between two requests, and before the first.
  std::chrono::milliseconds idle{30'000};
  /// From the signal to stop to the end of the last connection.
  std::chrono::milliseconds drain{5'000};
  /// After a last answer, for the client to read it before the connection is torn down.
  std::chrono::milliseconds linger{1'000};
};

inline constexpr std::size_t kMaxBlocking = 1'000'000;
inline constexpr unsigned kMaxThreads = 256;
inline constexpr std::size_t kMaxConnections = 1024;

struct ServerOptions {
  /// What parse_bind_address reads. A listening socket that a service manager passes takes its place.
  std::string bind = "127.0.0.1:7878";
  /// When there are any, every request on `bind` must carry one. Required for an address that is not loopback.
  api::Tokens tokens;
  /// Reads `tokens` again from where they came from, and appends what an operator should know of that place. Called at
  /// SIGHUP, on the main thread. Empty: they cannot be read again.
  std::function<Result<api::Tokens>(std::vector<Finding>& findings)> read_tokens_again;
  std::string data_dir = ".flint";
  /// How the data directory is opened; the server fills in `server_address`.
  Options limiter;
  /// How many requests may wait on storage at once; further ones stay unread. 1 to kMaxBlocking.
  std::size_t max_blocking = 1024;
  /// I/O threads, at most kMaxThreads; 0 means one a processor.
  unsigned threads = 0;
  net::LogLevel log_level = net::LogLevel::kInfo;
  net::LogFormat log_format = net::LogFormat::kAuto;
  /// By the socket in the data directory; and as many by `bind`. Fewer where the limit of open files is lower.
  std::size_t max_connections = kMaxConnections;
  Deadlines deadlines;
};

}  // namespace flint::server
