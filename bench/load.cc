// Loads one server with checks, and prints one line of JSON that says what came back.
//
//   load --protocol flint|flint-gate|redis --port PORT|--unix PATH [--seconds S] [--warmup S] [--connections N]
//   [--pipeline N]
//        [--batch N] [--keys N] [--rate N] [--per-ms N] [--script FILE]
//
// What it does, the same for both servers:
// - One thread, one epoll, N connections over loopback TCP (TCP_NODELAY) or a Unix socket, opened before the clock
// starts and kept.
// - Closed loop: each connection has `--pipeline` requests in flight (default 1) and sends the next one when an answer
//   has come; what becomes free in one read is refilled with one write.
// - Requests are built before the clock starts, one a key, and sent in turn over all keys, whatever the connection. An
//   answer is framed by the least that is correct (Content-Length for HTTP, the reply's own lengths for RESP), then
//   searched for the outcome: allowed, denied, or an error, each counted. With `--batch`, a request makes so many
//   checks (Flint only), its outcome is that of the first one that was allowed, and `per_second` counts checks.
// - Answers in the warm-up are thrown away, but for `served`, which counts all. Latency is from before the write to
// after the read of the answer.
// - `client_cpu` is this program's own share of one core: near 1, the generator is what is being measured.
// It is not an open loop: a server that stalls is asked less meanwhile, so that tail latencies are those of 64 patient
// callers, not of a stream that keeps coming.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "bench/latency_histogram.h"
#include "bench/protocol.h"

namespace flint::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::duration;
using std::chrono::duration_cast;

struct Settings {
  std::string protocol;
  std::uint16_t port = 0;
  /// Instead of the port, where it is not empty.
  std::string unix_socket;
  double seconds = 4;
  double warmup = 1;
  std::size_t connections = 64;
  std::size_t pipeline = 1;
  std::size_t batch = 1;
  std::size_t keys = 1000;
  KeyLimit limit{.rate = std::uint64_t{1} << 40, .per_ms = 1000};
  std::string script;
};

struct Counts {
  std::uint64_t allowed = 0;
  std::uint64_t denied = 0;
  std::uint64_t errors = 0;
  std::string first_error;
  LatencyHistogram latency;

  void add(const Answer& answer, std::chrono::nanoseconds took) {
    latency.record(took);
    switch (answer.outcome) {
      case Outcome::kAllowed:
        ++allowed;
        break;
      case Outcome::kDenied:
        ++denied;
        break;
      case Outcome::kError:
        if (errors++ == 0) first_error = answer.text;
        break;
    }
  }
};

int connect_to(const Settings& settings) {
  if (!settings.unix_socket.empty()) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    settings.unix_socket.copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
    fail(fmt::format("Cannot connect to {}: {}.", settings.unix_socket, std::strerror(errno)));
  }
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(settings.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
    fail(fmt::format("Cannot connect to 127.0.0.1:{}: {}.", settings.port, std::strerror(errno)));
  }
  return fd;
}

/// One connection: what it has received of an answer, and when the requests in flight were sent.
class Connection {
 public:
  explicit Connection(const Settings& settings) : fd_(connect_to(settings)) {}
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] std::string_view received() const noexcept {
    return {buffer_.data() + begin_, static_cast<std::size_t>(end_ - begin_)};
  }

  /// Blocks until all is in the socket's buffer, which holds any pipeline of checks.
  void send_all(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) fail(fmt::format("Cannot send: {}.", std::strerror(errno)));
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  /// Blocks until there is something.
  void receive() {
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
    const ssize_t got = recv(fd_, buffer_.data() + end_, buffer_.size() - end_, 0);
    if (got <= 0)
      fail(got == 0 ? "The server closed a connection." : fmt::format("Cannot receive: {}.", std::strerror(errno)));
    end_ += static_cast<std::size_t>(got);
  }

  void consume(std::size_t bytes) noexcept { begin_ += bytes; }

  std::deque<SteadyClock::time_point> sent_at;

 private:
  int fd_;
  std::vector<char> buffer_ = std::vector<char>(64 * 1024);
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

std::string host_of(const Settings& settings) {
  return settings.unix_socket.empty() ? fmt::format("127.0.0.1:{}", settings.port) : "localhost";
}

std::unique_ptr<Protocol> protocol_of(const Settings& settings) {
  if (settings.protocol == "flint") return flint_http(host_of(settings), settings.batch);
  if (settings.protocol == "flint-gate") return flint_gate(host_of(settings));
  if (settings.protocol == "redis") return redis_resp(settings.script);
  fail("--protocol is flint, flint-gate or redis.");
}

std::string exchange(Connection& connection, const Protocol& protocol, const std::string& request) {
  connection.send_all(request);
  for (;;) {
    connection.receive();
    if (const Answer answer = protocol.parse(connection.received()); answer.bytes > 0) {
      std::string whole(connection.received().substr(0, answer.bytes));
      connection.consume(answer.bytes);
      return whole;
    }
  }
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Load {
 public:
  explicit Load(const Settings& settings) : settings_(settings), protocol_(protocol_of(settings)) {
    for (std::size_t n = 0; n < settings.connections; ++n) connections_.emplace_back(settings);
    protocol_->prepare([&](const std::string& request) { return exchange(connections_.front(), *protocol_, request); },
                       settings.keys, settings.limit);
    for (std::size_t key = 0; key < settings.keys; ++key) requests_.push_back(protocol_->check_request(key));
    for (Connection& connection : connections_) {
      epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
      if (epoll_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd(), &event) != 0) {
        fail(fmt::format("Cannot watch a connection: {}.", std::strerror(errno)));
      }
    }
  }
  ~Load() { close(epoll_); }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  void run() {
    for (Connection& connection : connections_) send_requests(connection, settings_.pipeline);
    Counts ignored;
    serve_for(settings_.warmup, ignored);
    Counts counts;
    const double cpu_before = cpu_seconds();
    const auto begin = SteadyClock::now();
    serve_for(settings_.seconds, counts);
    report(counts, duration<double>(SteadyClock::now() - begin).count(), cpu_seconds() - cpu_before);
  }

 private:
  void serve_for(double seconds, Counts& counts) {
    const auto end = SteadyClock::now() + duration_cast<SteadyClock::duration>(duration<double>(seconds));
    std::vector<epoll_event> events(settings_.connections);
    while (SteadyClock::now() < end) {
      const int ready = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1000);
      for (int n = 0; n < ready; ++n)
        serve(*static_cast<Connection*>(events[static_cast<std::size_t>(n)].data.ptr), counts);
    }
  }

  void serve(Connection& connection, Counts& counts) {
    connection.receive();
    const auto now = SteadyClock::now();
    std::size_t answered = 0;
    while (!connection.received().empty()) {
      const Answer answer = protocol_->parse(connection.received());
      if (answer.bytes == 0) break;
      counts.add(answer, now - connection.sent_at.front());
      connection.sent_at.pop_front();
      connection.consume(answer.bytes);
      ++answered;
    }
    served_ += answered;
    if (answered > 0) send_requests(connection, answered);
  }

  void send_requests(Connection& connection, std::size_t count) {
    connection.sent_at.insert(connection.sent_at.end(), count, SteadyClock::now());
    if (count == 1) return connection.send_all(next_request());
    outgoing_.clear();
    for (std::size_t n = 0; n < count; ++n) outgoing_ += next_request();
    connection.send_all(outgoing_);
  }

  const std::string& next_request() {
    const std::string& request = requests_[next_key_];
    next_key_ = next_key_ + 1 == requests_.size() ? 0 : next_key_ + 1;
    return request;
  }

  void report(const Counts& counts, double seconds, double cpu) const {
    const auto answers = static_cast<double>(counts.allowed + counts.denied + counts.errors);
    fmt::print(
        R"({{"protocol":"{}","per_second":{:.0f},"allowed":{},"denied":{},"errors":{},"p50_us":{:.1f},"p99_us":{:.1f},)"
        R"("p999_us":{:.1f},"client_cpu":{:.2f},"served":{},"connections":{},"pipeline":{},"batch":{},"keys":{}}})"
        "\n",
        settings_.protocol, answers * static_cast<double>(settings_.batch) / seconds, counts.allowed, counts.denied,
        counts.errors, counts.latency.quantile_us(0.5), counts.latency.quantile_us(0.99),
        counts.latency.quantile_us(0.999), cpu / seconds, served_, settings_.connections, settings_.pipeline,
        settings_.batch, settings_.keys);
    if (counts.errors > 0)
      fail(fmt::format("{} answers were errors; the first: {}", counts.errors, counts.first_error));
  }

  Settings settings_;
  std::unique_ptr<Protocol> protocol_;
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  std::deque<Connection> connections_;
  std::vector<std::string> requests_;
  std::size_t next_key_ = 0;
  std::uint64_t served_ = 0;
  std::string outgoing_;
};

Settings parse_arguments(int argc, char** argv) {
  Settings settings;
  const std::map<std::string_view, std::function<void(const std::string&)>> options{
      {"--protocol", [&](const std::string& text) { settings.protocol = text; }},
      {"--port", [&](const std::string& text) { settings.port = static_cast<std::uint16_t>(std::stoul(text)); }},
      {"--unix", [&](const std::string& text) { settings.unix_socket = text; }},
      {"--seconds", [&](const std::string& text) { settings.seconds = std::stod(text); }},
      {"--warmup", [&](const std::string& text) { settings.warmup = std::stod(text); }},
      {"--connections", [&](const std::string& text) { settings.connections = std::stoul(text); }},
      {"--pipeline", [&](const std::string& text) { settings.pipeline = std::stoul(text); }},
      {"--batch", [&](const std::string& text) { settings.batch = std::stoul(text); }},
      {"--keys", [&](const std::string& text) { settings.keys = std::stoul(text); }},
      {"--rate", [&](const std::string& text) { settings.limit.rate = std::stoull(text); }},
      {"--per-ms", [&](const std::string& text) { settings.limit.per_ms = std::stoull(text); }},
      {"--script", [&](const std::string& text) { settings.script = text; }},
  };
  for (int n = 1; n < argc; n += 2) {
    const auto option = options.find(argv[n]);
    if (option == options.end() || n + 1 == argc) fail(fmt::format("{} is not an option with a value.", argv[n]));
    option->second(argv[n + 1]);
  }
  if (settings.connections == 0 || settings.pipeline == 0 || settings.batch == 0 || settings.keys == 0) {
    fail("--connections, --pipeline, --batch and --keys are at least 1.");
  }
  return settings;
}

}  // namespace
}  // namespace flint::bench

int main(int argc, char** argv) {
  flint::bench::Load(flint::bench::parse_arguments(argc, argv)).run();
  return 0;
}
