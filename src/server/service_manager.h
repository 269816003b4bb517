#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "flint/status.h"
#include "net/bind_address.h"

/// What the server and a service manager such as systemd tell each other: the protocols of sd_notify(3) and
/// sd_listen_fds(3), which are a datagram and three variables, so that no library of the manager is needed.
namespace flint::server {

/// Tells the service manager how the server is doing. Without one, or when it does not listen, nothing happens: a
/// server does not fail because nobody wants to know. Threads: one at a time.
class ServiceNotifier {
 public:
  /// `address` is a path or, when it starts with '@', an abstract name; empty: nobody is told.
  explicit ServiceNotifier(std::string address) : address_(std::move(address)) {}

  /// What people read in `systemctl status`; control characters are escaped.
  void status(std::string_view text) const { send("", text); }
  /// From here on clients can connect.
  void ready(std::string_view text) const { send("READY=1\n", text); }
  void stopping(std::string_view text) const { send("STOPPING=1\n", text); }

 private:
  void send(std::string_view state, std::string_view text) const;

  std::string address_;
};

/// Takes NOTIFY_SOCKET out of the environment. Call while there is one thread.
[[nodiscard]] ServiceNotifier take_service_notifier();

/// A socket that the service manager listens on in the server's stead, before it and across its restarts.
struct PassedSocket {
  base::UniqueFd fd;
  net::BindAddress address;
};

/// The one socket that LISTEN_FDS and LISTEN_PID pass to this process, if they do; takes them out of the environment.
/// kInvalidArgument, with what to change in the socket unit, when there are several or it is no listening stream socket
/// of TCP or in the file system. Call once, while there is one thread and before any descriptor is opened.
[[nodiscard]] Result<std::optional<PassedSocket>> take_passed_socket();

/// The same for a descriptor that is known.
[[nodiscard]] Result<PassedSocket> examine_passed_socket(base::UniqueFd fd);

}  // namespace flint::server
