#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/gate.h"
#include "api/tokens.h"
#include "config/config_file.h"
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

inline constexpr std::chrono::milliseconds kMinExitWhenIdle{100};
inline constexpr std::chrono::milliseconds kMaxExitWhenIdle = std::chrono::hours(24) * 366;
inline constexpr std::size_t kMaxBlocking = 1'000'000;
inline constexpr std::size_t kMaxTopDenied = 100;
inline constexpr unsigned kMaxThreads = 256;
inline constexpr std::size_t kMaxConnections = 1024;

/// What a server was told, read again while it runs.
struct ReadAgain {
  /// What is wrong with the files, as FILE:LINE: and a sentence each: nothing of them is used then.
  std::vector<std::string> problems;
  /// Options that are other ones than at the start, which only a restart changes.
  std::vector<std::string> need_restart;
  std::optional<std::vector<config::FileLimit>> limits;
  /// Used with the limits.
  std::vector<api::Gate> gates;
  /// Nothing if it comes from where it cannot be read again.
  std::optional<Result<api::Tokens>> tokens;
  /// What an operator should know of the tokens' place.
  std::vector<Finding> findings;
};

struct ServerOptions {
  /// What parse_bind_address reads. A listening socket that a service manager passes takes its place.
  std::string bind = "127.0.0.1:7878";
  /// When there are any, every request on `bind` must carry one. Required for an address that is not loopback.
  api::Tokens tokens;
  /// The limits of the operator's files; nothing where there are no such files.
  std::optional<std::vector<config::FileLimit>> limits;
  /// Those of the configuration file.
  std::vector<api::Gate> gates;
  /// Called at SIGHUP, on the main thread. Empty: there is nothing to read again.
  std::function<ReadAgain()> read_again;
  std::string data_dir = ".flint";
  /// How the data directory is opened; the server fills in `server_address`.
  Options limiter;
  /// How many requests may wait on storage at once; further ones stay unread. 1 to kMaxBlocking.
  std::size_t max_blocking = 1024;
  /// How many keys /metrics names, those with the most denials: at most kMaxTopDenied. 0: none, since keys may be
  /// private.
  std::size_t top_denied = 0;
  /// Whether tokens of the role check may send a limit with a check.
  bool carried_limits = true;
  /// I/O threads, at most kMaxThreads; 0 means as many as there are processors but one.
  unsigned threads = 0;
  net::LogLevel log_level = net::LogLevel::kInfo;
  net::LogFormat log_format = net::LogFormat::kAuto;
  /// Where the log goes; empty: to standard error. At net::kMaxLogFileBytes its name changes to `NAME.1.SUFFIX`, which
  /// replaces the one before, and a new file begins.
  std::string log_file;
  /// The server ends by itself once it has no connection, and has answered no request for so long.
  std::optional<std::chrono::milliseconds> exit_when_idle;
  /// Called once, on the main thread, when clients can connect.
  std::function<void()> ready;
  /// By the socket in the data directory; and as many by `bind`. Fewer where the limit of open files is lower.
  std::size_t max_connections = kMaxConnections;
  Deadlines deadlines;
};

}  // namespace flint::server
