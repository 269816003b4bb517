#include "server/service_manager.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/invalid.h"
#include "base/ip_address.h"
#include "net/event_log.h"

namespace flint::server {
namespace {

using base::invalid;

/// Behind standard input, output and error.
constexpr int kFirstPassed = 3;

/// The value of an environment variable, which is gone afterwards: it was meant for this process alone.
std::string take_variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): there is one thread
  std::string taken = value == nullptr ? "" : value;
  unsetenv(name);  // NOLINT(concurrency-mt-unsafe)
  return taken;
}

Status not_a_socket_to_serve(std::string_view what) {
  return invalid("The socket that the service manager passed " + std::string(what) +
                 ". Its socket unit needs one ListenStream= with an address of TCP or a path.");
}

int socket_option(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

/// nullopt for what has no address that a client could name.
std::optional<net::BindAddress> address_of(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return std::nullopt;
  net::BindAddress address;
  if (const std::optional<base::IpAddress> ip = base::IpAddress::of(storage)) {
    address.host = ip->text();
    // The port is at the same place in both kinds of address.
    address.port = ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
    return address;
  }
  const auto& name = reinterpret_cast<const sockaddr_un&>(storage);
  constexpr std::size_t kPathStart = offsetof(sockaddr_un, sun_path);
  if (storage.ss_family != AF_UNIX || size <= kPathStart || name.sun_path[0] == '\0') return std::nullopt;
  address.path.assign(name.sun_path, strnlen(name.sun_path, size - kPathStart));
  return address;
}

}  // namespace

void ServiceNotifier::send(std::string_view state, std::string_view text) const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (address_.empty() || address_.size() >= sizeof(address.sun_path)) return;
  std::memcpy(address.sun_path, address_.data(), address_.size());
  // An abstract name starts with a NUL, and ends where the address ends.
  const bool abstract = address_.front() == '@';
  if (abstract) address.sun_path[0] = '\0';
  const std::size_t size = offsetof(sockaddr_un, sun_path) + address_.size() + (abstract ? 0 : 1);

  const base::UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return;
  // A manager that has stopped reading does not stop the server.
  const timeval patience{.tv_sec = 1, .tv_usec = 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  const std::string message = std::string(state) + "STATUS=" + net::escaped_for_log(text);
  ::sendto(socket.get(), message.data(), message.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
           static_cast<socklen_t>(size));
}

ServiceNotifier take_service_notifier() { return ServiceNotifier(take_variable("NOTIFY_SOCKET")); }

Result<PassedSocket> examine_passed_socket(base::UniqueFd fd) {
  const int type = socket_option(fd.get(), SO_TYPE);
  if (type == -1) return not_a_socket_to_serve("is not a socket");
  if (type != SOCK_STREAM) return not_a_socket_to_serve("is not a stream socket");
  if (socket_option(fd.get(), SO_ACCEPTCONN) != 1) {
    return not_a_socket_to_serve("does not listen (Accept=yes passes connections instead of sockets)");
  }
  std::optional<net::BindAddress> address = address_of(fd.get());
  if (!address) return not_a_socket_to_serve("has no address that a client could name");
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags == -1 || fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) == -1 || fcntl(fd.get(), F_SETFD, FD_CLOEXEC) == -1) {
    return not_a_socket_to_serve("cannot be set up");
  }
  return PassedSocket{std::move(fd), *std::move(address)};
}

Result<std::optional<PassedSocket>> take_passed_socket() {
  const std::string pid = take_variable("LISTEN_PID");
  const std::string count = take_variable("LISTEN_FDS");
  take_variable("LISTEN_FDNAMES");
  // Variables for another process came here by inheritance.
  if (pid != std::to_string(getpid()) || count.empty() || count == "0") return std::optional<PassedSocket>();
  if (count != "1") {
    return invalid("The service manager passed LISTEN_FDS=" + net::escaped_for_log(count) +
                   ", and the server takes one socket. Its socket unit needs one ListenStream=.");
  }
  Result<PassedSocket> socket = examine_passed_socket(base::UniqueFd(kFirstPassed));
  if (!socket.ok()) return socket.status();
  return std::optional<PassedSocket>(std::move(*socket));
}

}  // namespace flint::server
