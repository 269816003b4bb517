#include "net/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace flint::net {
namespace {

/// So that one flood of connections does not keep another listener waiting.
constexpr int kMaxAtOnce = 64;

bool is_shortage(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

}  // namespace

Listener::Listener(IoContext& context, ListenSocket socket, Take take, EventLog& log)
    : socket_(std::move(socket)),
      take_(std::move(take)),
      descriptor_(context),
      timer_(context),
      out_of_descriptors_(log, "out_of_descriptors",
                          "Cannot accept connections: the process is out of descriptors or memory. Raise its limit "
                          "of open files") {}

Status Listener::start() {
  if (Status status = socket_.listen(); !status.ok()) return status;
  error_code error;
  descriptor_.assign(socket_.fd(), error);
  if (error) return {Code::kIoError, "Cannot wait for connections on " + url() + ": " + error.message() + "."};
  await();
  return {};
}

void Listener::stop() {
  timer_.cancel();
  // The descriptor is the socket's to close, behind its listener.
  if (descriptor_.is_open()) static_cast<void>(descriptor_.release());
  socket_.stop_listening();
}

void Listener::await() {
  descriptor_.async_wait(asio::posix::descriptor_base::wait_read, [this](error_code error) {
    if (error) return;
    if (accept_all()) {
      await();
    } else {
      back_off();
    }
  });
}

bool Listener::accept_all() {
  for (int i = 0; i < kMaxAtOnce; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof(peer);
    base::UniqueFd accepted(
        ::accept4(socket_.fd(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (accepted.valid()) {
      const int yes = 1;
      // Fails for Unix sockets, which have nothing to delay.
      static_cast<void>(setsockopt(accepted.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)));
      take_(std::move(accepted), base::IpAddress::of(peer));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
    if (is_shortage(errno)) return false;
    // Any other error is of the connection that was to be accepted, and gone with it.
  }
  return true;
}

void Listener::back_off() {
  out_of_descriptors_.happened();
  timer_.expires_after(std::chrono::milliseconds(100));
  timer_.async_wait([this](error_code error) {
    if (!error) await();
  });
}

}  // namespace flint::net
