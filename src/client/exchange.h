#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "client/address.h"
#include "flint/decision.h"

/// A check on a connection that somebody else has made and keeps: for a client that is written in another language, and
/// has its own rules for connecting, repeating and forking.
namespace flint::client {

/// What became of a request. Either `decision` is there, and the connection can be used again; or the rest says how far
/// it came, from where the caller goes on.
struct Exchanged {
  std::optional<Decision> decision = {};
  /// Bytes of the request that the kernel has taken.
  std::size_t sent = 0;
  /// Of the answer, if it is another one than a plain decision.
  std::string received = {};
  /// The number of the error that ended it: ETIMEDOUT past the deadline, EINTR if `goes_on` said no. 0: none, or the
  /// end of the connection, which recv() says again.
  int error = 0;
};

/// Sends `request` through a connected socket, blocking or not, and reads one answer. Raises no SIGPIPE. `goes_on` is
/// asked after each signal that interrupts the wait. Threads: one for each socket.
Exchanged exchange(int socket, std::string_view request, std::string_view key, Units cost, Deadline deadline,
                   const std::function<bool()>& goes_on);

/// The decision about this key and cost that the body of a 200 is; nothing if it is any other document.
[[nodiscard]] std::optional<Decision> read_decision(std::string_view body, std::string_view key, Units cost);

/// How long the body is behind this head, whose last line is whole; nothing unless the head is that of an answer with
/// status 200 on a connection that goes on, with a length and without anything that two readers could understand in two
/// ways.
[[nodiscard]] std::optional<std::size_t> plain_length(std::string_view head);

/// Whether the other side of a connected socket has neither ended the connection nor said anything. Does not block.
[[nodiscard]] bool is_silent(int socket);

}  // namespace flint::client
