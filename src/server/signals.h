#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "flint/status.h"

/// The signals of a server process, from the first moment of its start on: none that can be caught ends it without a
/// line in the log and a clean close, except those that report a fault of the program.
namespace flint::server {

/// Handles every signal that would end the process: notes it, sets stop_was_asked() unless it is SIGHUP, SIGUSR1 or
/// SIGUSR2, and makes the descriptor that is returned readable. Once SIGTERM, SIGINT or SIGQUIT has come, the next of
/// them has its default effect: it ends the process at once. Ignores SIGPIPE. kIoError when there is no descriptor for
/// it. Call once a process, from the main thread; the descriptor stays open.
[[nodiscard]] Result<int> catch_signals();

/// A signal has come that is to end the server.
[[nodiscard]] const std::atomic<bool>& stop_was_asked();

/// The signals that have come since the last call, each once, in the order of their numbers.
[[nodiscard]] std::vector<int> take_signals();

/// From here on the process ends by itself, and a signal shall not change its exit code.
void ignore_signals();

/// `SIGHUP`.
[[nodiscard]] std::string signal_name(int number);

}  // namespace flint::server
