#include "net/stream.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <optional>
#include <utility>

#include "base/ip_address.h"

namespace flint::net {
namespace {

/// What a lingering connection reads and forgets, at most: a body that was refused, say.
constexpr std::size_t kMaxDiscarded = 1024 * 1024;

bool would_block(error_code error) { return error == asio::error::would_block || error == asio::error::try_again; }

}  // namespace

Stream::Stream(Socket socket) : socket_(std::move(socket)) {
  error_code ignored;
  socket_.non_blocking(true, ignored);
}

void Stream::close() {
  if (!is_open()) return;
  reading_ = Reading::kClosed;
  writing_ = Writing::kShut;
  error_code ignored;
  socket_.close(ignored);
  on_close();
}

void Stream::abort() {
  error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  close();
}

void Stream::read(std::span<char> space) {
  if (reading_ != Reading::kPaused) return;
  reading_ = Reading::kAsked;
  socket_.async_read_some(
      asio::buffer(space.data(), space.size()),
      [self = shared_from_this()](error_code error, std::size_t count) { self->on_read(error, count); });
}

void Stream::on_read(error_code error, std::size_t count) {
  if (!is_open()) return;
  if (error && error != asio::error::eof) return close();
  // The read was out when the last answer was written.
  if (reading_ == Reading::kLingers) return error ? close() : discard();
  reading_ = Reading::kPaused;
  error ? on_end_of_input() : on_input(count);
}

std::size_t Stream::write(std::string_view bytes) {
  error_code error;
  const std::size_t count = socket_.write_some(asio::buffer(bytes), error);
  if (would_block(error)) {
    await_writable();
  } else if (error) {
    close();
  }
  return count;
}

void Stream::await_writable() {
  writing_ = Writing::kFull;
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](error_code error) {
    if (self->writing_ != Writing::kFull) return;
    if (error) return self->close();
    self->writing_ = Writing::kFree;
    self->on_writable();
  });
}

/// Closing with bytes unread makes the kernel send a reset, which can overtake the last answer and destroy it. So the
/// client is told that nothing more comes, and what it still sends is read and forgotten for a while.
void Stream::linger() {
  const bool read_is_out = std::exchange(reading_, Reading::kLingers) == Reading::kAsked;
  writing_ = Writing::kShut;
  error_code error;
  socket_.shutdown(Socket::shutdown_send, error);
  if (error) return close();
  if (!read_is_out) discard();
}

void Stream::discard() {
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](error_code error) {
    if (!self->is_open()) return;
    // A little at a time: whoever sends as fast as it can shall not keep the loop from the other connections.
    std::array<char, 16 * 1024> forgotten;
    if (!error) self->discarded_ += self->socket_.read_some(asio::buffer(forgotten), error);
    const bool goes_on = !error || error == asio::error::would_block;
    if (!goes_on || self->discarded_ >= kMaxDiscarded) return self->close();
    self->discard();
  });
}

Stream::Client Stream::client() {
  pollfd events{.fd = socket_.native_handle(), .events = POLLRDHUP, .revents = 0};
  if (::poll(&events, 1, 0) <= 0) return Client::kThere;
  return (events.revents & (POLLHUP | POLLERR)) != 0 ? Client::kGone : Client::kEnded;
}

std::string Stream::client_name() {
  const int socket = socket_.native_handle();
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "a client that has left";
  if (const std::optional<base::IpAddress> ip = base::IpAddress::of(address)) {
    const std::string text = ip->text();
    const bool v6 = text.find(':') != std::string::npos;
    // The port is at the same place in both kinds of address.
    const auto port = ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
    return (v6 ? "[" + text + "]" : text) + ":" + std::to_string(port);
  }
  ucred peer{};
  size = sizeof(peer);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return "a local client";
  return "user " + std::to_string(peer.uid) + ", process " + std::to_string(peer.pid);
}

}  // namespace flint::net
