// The least that a server can do: one epoll, and for each HTTP request the same answer, as long as Flint's to a check.
//
//   bare_server --port PORT | --unix PATH
//
// It frames requests by Content-Length and reads nothing else of them. What Flint serves, as a share of what this
// serves under the same load, says how much of the time is Flint's and not the kernel's.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

[[noreturn]] void fail(std::string_view what) {
  fmt::print(stderr, "bare_server: {}: {}\n", what, std::strerror(errno));
  std::exit(1);
}

/// With the fields of Flint's own answers.
const std::string& answer() {
  static const std::string kAnswer = [] {
    const std::string body =
        R"({"key":"bench:user-000000","allowed":true,"cost":1,"limit":1099511627776,"remaining":1099511627775,)"
        R"("reset_at":"2026-11-27T12:00:00.000Z","reset_after_ms":1,"retry_after_ms":0,"algorithm":"token_bucket"})";
    return fmt::format("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}", body.size(),
                       body);
  }();
  return kAnswer;
}

class Connection {
 public:
  explicit Connection(int fd) : fd_(fd) {}
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] int fd() const noexcept { return fd_; }

  /// False once the client has gone.
  bool serve() {
    const ssize_t got = recv(fd_, buffer_.data() + held_, buffer_.size() - held_, 0);
    if (got <= 0) return false;
    held_ += static_cast<std::size_t>(got);
    std::string_view rest(buffer_.data(), held_);
    out_.clear();
    while (const std::size_t size = request_size(rest)) {
      rest.remove_prefix(size);
      out_ += answer();
    }
    held_ = rest.size();
    std::memmove(buffer_.data(), rest.data(), held_);
    return out_.empty() || send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(out_.size());
  }

 private:
  /// Of the request at the start, 0 while it is not complete.
  static std::size_t request_size(std::string_view received) {
    constexpr std::string_view kLength = "Content-Length: ";
    const std::size_t head = received.find("\r\n\r\n");
    if (head == std::string_view::npos) return 0;
    std::size_t body = 0;
    if (const std::size_t field = received.find(kLength); field < head) {
      std::from_chars(received.data() + field + kLength.size(), received.data() + head, body);
    }
    return received.size() >= head + 4 + body ? head + 4 + body : 0;
  }

  int fd_;
  std::vector<char> buffer_ = std::vector<char>(64 * 1024);
  std::size_t held_ = 0;
  std::string out_;
};

int listen_at(std::string_view kind, const char* where) {
  int fd = -1;
  int bound = -1;
  if (kind == "--unix") {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, where, sizeof address.sun_path - 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bound = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(where)));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // connections that it accepts inherit it
    bound = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  if (fd < 0 || bound != 0 || listen(fd, 1024) != 0) fail(where);
  return fd;
}

void watch(int epoll, int fd, void* what) {
  epoll_event event{.events = EPOLLIN, .data = {.ptr = what}};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) fail("Cannot watch a socket");
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view kind = argc == 3 ? argv[1] : "";
  if (kind != "--port" && kind != "--unix") {
    fmt::print(stderr, "usage: bare_server --port PORT | --unix PATH\n");
    return 2;
  }
  const int listener = listen_at(kind, argv[2]);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  watch(epoll, listener, nullptr);
  std::vector<epoll_event> events(256);
  for (;;) {
    const int ready = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int n = 0; n < ready; ++n) {
      void* const what = events[static_cast<std::size_t>(n)].data.ptr;
      if (what == nullptr) {
        auto connection = std::make_unique<Connection>(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
        watch(epoll, connection->fd(), connection.get());
        static_cast<void>(connection.release());  // epoll refers to it from here on
      } else if (auto* connection = static_cast<Connection*>(what); !connection->serve()) {
        delete connection;
      }
    }
  }
}
