#include "client/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>

namespace flint::client {
namespace {

Trouble system_trouble(int number) { return {Trouble::Kind::kSystem, static_cast<unsigned long>(number)}; }

bool would_block(int number) { return number == EAGAIN || number == EWOULDBLOCK; }

}  // namespace

std::string Trouble::text() const {
  switch (kind) {
    case Kind::kNone:
      return "nothing";
    case Kind::kTimeout:
      return "no answer in time";
    case Kind::kEnded:
      return "it ended the connection";
    case Kind::kSystem:
      return std::generic_category().message(static_cast<int>(number));
    case Kind::kTls: {
      const char* reason = ERR_reason_error_string(number);
      return reason == nullptr ? "TLS error " + std::to_string(number) : reason;
    }
  }
  return {};
}

Trouble Stream::connect(const Address& address, Deadline deadline) {
  close();
  socket_ = base::UniqueFd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_.valid()) return system_trouble(errno);
  if (address.family() != AF_UNIX) {
    // Otherwise a body that follows its head in a packet of its own waits for a delayed acknowledgement.
    const int on = 1;
    (void)::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  int result = ::connect(socket_.get(), address.get(), address.size());
  // A Unix socket whose queue is full has no way to say when it is not.
  while (result != 0 && errno == EAGAIN && std::chrono::steady_clock::now() < deadline) {
    (void)::poll(nullptr, 0, 1);
    result = ::connect(socket_.get(), address.get(), address.size());
  }
  if (result == 0) return {};
  if (errno == EAGAIN) return {Trouble::Kind::kTimeout, 0};
  if (errno != EINPROGRESS && errno != EINTR) return system_trouble(errno);
  if (Trouble trouble = wait(POLLOUT, deadline); !trouble.none()) return trouble;
  int error = 0;
  socklen_t size = sizeof(error);
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  return error == 0 ? Trouble() : system_trouble(error);
}

Trouble Stream::start_tls(const TlsContext& context, const std::string& host, Deadline deadline) {
  tls_ = make_tls_session(context, socket_.get(), host);
  if (tls_ == nullptr) return {Trouble::Kind::kTls, ERR_get_error()};
  return with_tls([this] { return SSL_connect(tls_.get()); }, deadline);
}

Trouble Stream::write(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const std::size_t most = std::min<std::size_t>(bytes.size(), INT_MAX);
    std::size_t sent = 0;
    if (tls_ != nullptr) {
      const auto call = [&] { return SSL_write_ex(tls_.get(), bytes.data(), most, &sent); };
      if (Trouble trouble = with_tls(call, deadline); !trouble.none()) return trouble;
    } else {
      const ssize_t done = ::send(socket_.get(), bytes.data(), most, MSG_NOSIGNAL);
      if (done < 0 && would_block(errno)) {
        if (Trouble trouble = wait(POLLOUT, deadline); !trouble.none()) return trouble;
      } else if (done < 0 && errno != EINTR) {
        return system_trouble(errno);
      }
      sent = static_cast<std::size_t>(std::max<ssize_t>(done, 0));
    }
    bytes.remove_prefix(sent);
  }
  return {};
}

Trouble Stream::read(std::span<char>* room, Deadline deadline) {
  std::size_t got = 0;
  if (tls_ != nullptr) {
    const auto call = [&] { return SSL_read_ex(tls_.get(), room->data(), room->size(), &got); };
    if (Trouble trouble = with_tls(call, deadline); !trouble.none()) return trouble;
    *room = room->first(got);
    return {};
  }
  while (true) {
    const ssize_t done = ::recv(socket_.get(), room->data(), room->size(), 0);
    if (done == 0) return {Trouble::Kind::kEnded, 0};
    if (done > 0) {
      *room = room->first(static_cast<std::size_t>(done));
      return {};
    }
    if (would_block(errno)) {
      if (Trouble trouble = wait(POLLIN, deadline); !trouble.none()) return trouble;
    } else if (errno != EINTR) {
      return system_trouble(errno);
    }
  }
}

void Stream::close() {
  tls_.reset();
  socket_ = base::UniqueFd();
}

bool Stream::ended() const noexcept {
  pollfd waiting{socket_.get(), POLLRDHUP, 0};
  return ::poll(&waiting, 1, 0) != 0;
}

Trouble Stream::wait(short events, Deadline deadline) const {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return {Trouble::Kind::kTimeout, 0};
    pollfd waiting{socket_.get(), events, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left, INT_MAX)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return system_trouble(errno);
  }
}

template <typename Call>
Trouble Stream::with_tls(const Call& call, Deadline deadline) {
  while (true) {
    ERR_clear_error();
    errno = 0;
    const int result = call();
    if (result > 0) return {};
    const int error = errno;
    Trouble trouble;
    switch (SSL_get_error(tls_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        trouble = wait(POLLIN, deadline);
        break;
      case SSL_ERROR_WANT_WRITE:
        trouble = wait(POLLOUT, deadline);
        break;
      case SSL_ERROR_ZERO_RETURN:
        return {Trouble::Kind::kEnded, 0};
      case SSL_ERROR_SYSCALL:
        return error == 0 ? Trouble{Trouble::Kind::kEnded, 0} : system_trouble(error);
      default: {
        const unsigned long number = ERR_get_error();
        // Without the word with which TLS ends: a cut, or a server that saves itself that word.
        if (ERR_GET_REASON(number) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return {Trouble::Kind::kEnded, 0};
        return {Trouble::Kind::kTls, number};
      }
    }
    if (!trouble.none()) return trouble;
  }
}

}  // namespace flint::client
