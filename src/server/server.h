#pragma once

#include <string_view>

#include "flint/status.h"
#include "server/options.h"

/// `flint server start`: owns a data directory as its single writer and answers the HTTP API (docs/http_api.md).
namespace flint::server {

/// Ok for an address that a server can be told to listen on.
Status validate_bind(std::string_view bind);

/// Serves until SIGTERM, SIGINT or another signal that would end a process: then stops accepting, finishes what is in
/// flight, flushes, closes the data directory and returns Ok. A second SIGTERM, SIGINT or SIGQUIT ends the process at
/// once. So it is from the first moment of the start: one that recovers is given up, and nothing has changed. SIGHUP
/// reads the tokens, the configuration and the limits again, and keeps the old ones if the new ones cannot be used;
/// SIGUSR1 and SIGUSR2 do nothing. Each leaves a line in the log, which goes to standard error.
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
