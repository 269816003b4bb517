#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "flint/options.h"
#include "flint/status.h"

/// `flint server start`: owns a data directory as its single writer and answers the HTTP API (docs/http_api.md).
namespace flint::server {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

enum class LogFormat : std::uint8_t {
  /// kText when standard error is a terminal, else kJson.
  kAuto,
  /// `2026-11-23T18:22:02.123Z info: listening on ...`
  kText,
  /// One object a line: `time`, `level`, `event` (a word that does not change) and `message`.
  kJson,
};

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

inline constexpr std::size_t kMostBlocking = 1'000'000;
inline constexpr unsigned kMostThreads = 256;
inline constexpr std::size_t kMostConnections = 1024;

struct ServerOptions {
  /// What parse_bind_address reads. A listening socket that a service manager passes takes its place.
  std::string bind = "127.0.0.1:7878";
  /// When not empty, every request on `bind` must carry it: 1 to 512 visible ASCII characters. Required for an address
  /// that is not loopback.
  std::string token;
  /// Reads `token` again from where it came from, and appends what an operator should know of that place. Called at
  /// SIGHUP, on the main thread. Empty: it cannot be read again.
  std::function<Result<std::string>(std::vector<Finding>& findings)> read_token_again;
  std::string data_dir = ".flint";
  /// How the data directory is opened; the server fills in `server_address`.
  Options limiter;
  /// How many requests may wait on storage at once; further ones stay unread. 1 to kMostBlocking.
  std::size_t max_blocking = 1024;
  /// I/O threads, at most kMostThreads; 0 means one a processor.
  unsigned threads = 0;
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kAuto;
  /// By the socket in the data directory; and as many by `bind`. Fewer where the limit of open files is lower.
  std::size_t max_connections = kMostConnections;
  Deadlines deadlines;
};

/// Serves until SIGTERM, SIGINT or another signal that would end a process: then stops accepting, finishes what is in
/// flight, flushes, closes the data directory and returns Ok. A second SIGTERM, SIGINT or SIGQUIT ends the process at
/// once. So it is from the first moment of the start: one that recovers is given up, and nothing has changed. SIGHUP
/// reads the token again, and keeps the old one if the new one cannot be used; SIGUSR1 and SIGUSR2 do nothing. Each
/// leaves a line in the log, which goes to standard error.
///
/// Beside `bind` it listens on `<data_dir>/flint.sock`, which only the owner can connect to and which asks no token.
///
/// Fails with kInvalidArgument before anything is touched, with the Status of Limiter::open, with kPermission or
/// kIoError when it cannot listen or the limit of open files is too low, and with kStorageFailed, within a second, once
/// storage has failed.
///
/// A service manager such as systemd is told when it is ready, when it stops, and why it failed.
///
/// With a token the process leaves no core dump, and no other process of its user can read its memory.
///
/// Changes the process: the umask becomes 0077, SIGPIPE is ignored, signals are handled and, at its end, ignored, and
/// the service manager's variables leave the environment. Call from the main thread, once.
Status run_server(const ServerOptions& options);

}  // namespace flint::server
