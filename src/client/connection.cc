#include "client/connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/display.h"
#include "client/address.h"
#include "client/stream.h"
#include "client/unix_peer.h"
#include "flint/version.h"

namespace flint::client {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;
using Parser = http::response_parser<http::string_body>;

constexpr int kUnauthorized = 401;

/// The longest answer: 10,000 statuses of the longest keys fit.
constexpr std::uint64_t kMostBody = std::uint64_t{64} << 20;
constexpr std::uint32_t kMostHead = std::uint32_t{64} << 10;

Status unavailable(std::string message) { return {Code::kUnavailable, std::move(message)}; }

std::string_view name_of(Verb verb) {
  switch (verb) {
    case Verb::kGet:
      return "GET";
    case Verb::kPost:
      return "POST";
    case Verb::kDelete:
      return "DELETE";
  }
  return {};
}

}  // namespace

class Connection::Impl {
 public:
  Impl(Endpoint endpoint, ConnectionOptions options, TlsContext tls)
      : endpoint_(std::move(endpoint)),
        options_(std::move(options)),
        context_of_tls_(std::move(tls)),
        sends_token_(endpoint_.socket_path.empty()) {}

  Status connect() {
    const Deadline deadline = std::chrono::steady_clock::now() + options_.timeout;
    usable_ = false;
    Status status = endpoint_.socket_path.empty() ? connect_tcp(deadline) : connect_unix(deadline);
    usable_ = status.ok();
    return status;
  }

  Result<Answer> call(const Request& request) {
    unreachable_ = true;
    // A server ends idle connections, and all of them when it stops.
    if (!usable_ || stream_.ended()) {
      if (Status status = connect(); !status.ok()) return status;
    }
    Result<Answer> answer = ask(request);
    if (!answer.ok() || answer->status != kUnauthorized || sends_token_ || options_.token.empty()) return answer;
    // A Unix socket usually needs no token. One that a service manager bound for the server does, and the process there
    // may be trusted, so it gets the token when it asks. The refused request had no effect, so it is safe to repeat.
    sends_token_ = true;
    unreachable_ = true;
    if (Status status = connect(); !status.ok()) return status;
    return ask(request);
  }

  [[nodiscard]] bool unreachable() const noexcept { return unreachable_; }

 private:
  Status connect_tcp(Deadline deadline) {
    Result<std::vector<Address>> candidates = resolve(endpoint_, deadline, options_.names);
    if (!candidates.ok()) return candidates.status();
    if (Status status = connect_to_any(*candidates, deadline); !status.ok()) return status;
    return endpoint_.tls ? shake_hands(deadline) : Status();
  }

  Status connect_unix(Deadline deadline) {
    // The peer is judged after the connect and before the first byte: only a connection has a process at its other end.
    Result<SocketPlace> place = SocketPlace::find(endpoint_.socket_path);
    if (!place.ok()) return place.status();
    if (Status status = connect_to_any({Address::of_unix(place->address())}, deadline); !status.ok()) return status;
    return place->check_peer(stream_.descriptor());
  }

  Status connect_to_any(const std::vector<Address>& candidates, Deadline deadline) {
    Trouble trouble;
    for (const Address& candidate : candidates) {
      trouble = stream_.connect(candidate, deadline);
      if (trouble.none()) return {};
      if (trouble.kind == Trouble::Kind::kTimeout) break;
    }
    const bool refused = trouble.kind == Trouble::Kind::kSystem && trouble.number == ECONNREFUSED;
    if (refused && !endpoint_.socket_path.empty()) {
      return unavailable("Cannot reach a Flint server at " + endpoint_.text +
                         ": no server listens there any more, and the socket is left over from one that was killed. "
                         "Start the server again; it replaces the socket.");
    }
    return unavailable("Cannot reach a Flint server at " + endpoint_.text + ": " + trouble.text() +
                       ". Start one with \"flint server start\", or check " + std::string(options_.names.server) + ".");
  }

  Status shake_hands(Deadline deadline) {
    const Trouble trouble = stream_.start_tls(context_of_tls_, endpoint_.host, deadline);
    if (trouble.none()) return {};
    if (auto message = said_by_tls(trouble)) return unavailable(std::move(*message));
    return unavailable("The TLS handshake with " + endpoint_.text + " failed: " + trouble.text() + ". Check " +
                       std::string(options_.names.server) + ".");
  }

  [[nodiscard]] std::optional<std::string> said_by_tls(const Trouble& trouble) const {
    if (stream_.tls() == nullptr) return std::nullopt;
    const unsigned long error = trouble.kind == Trouble::Kind::kTls ? trouble.number : 0;
    return tls_failure(stream_.tls(), error, endpoint_, options_.names);
  }

  Result<Answer> ask(const Request& asked) {
    usable_ = false;
    const Deadline deadline = std::chrono::steady_clock::now() + options_.timeout;
    // A server that refuses a request early may close before it has read all of it, while its answer is on the way. So
    // a failed write counts only if there is no answer either.
    const Trouble written = stream_.write(request_of(asked), deadline);
    unreachable_ = !written.none();

    Parser parser;
    parser.body_limit(kMostBody);
    parser.header_limit(kMostHead);
    // Bytes of a head or of a chunk's line that is not whole yet stay in the buffer.
    std::size_t kept = 0;
    while (!parser.is_done()) {
      std::span<char> room = std::span(buffer_).subspan(kept);
      const Trouble trouble = room.empty() ? Trouble() : stream_.read(&room, deadline);
      if (trouble.kind == Trouble::Kind::kEnded && parser.is_header_done()) {
        // The end of an answer that says no length.
        error_code error;
        parser.put_eof(error);
        if (!error) break;
      }
      if (!trouble.none()) return lost(written.none() ? trouble : written, asked.verb);
      Result<std::size_t> left = parse(parser, kept + room.size(), asked.verb);
      if (!left.ok()) return left.status();
      kept = *left;
    }
    Answer answer{static_cast<int>(parser.get().result_int()), std::move(parser.get().body())};
    // What follows a whole answer belongs to none.
    usable_ = written.none() && kept == 0 && parser.keep_alive();
    return answer;
  }

  /// Gives the parser the beginning of the buffer, and moves what it leaves to its front: how many bytes that is.
  Result<std::size_t> parse(Parser& parser, std::size_t size, Verb verb) {
    std::size_t used = 0;
    error_code error;
    while (used < size && !parser.is_done() && !error) {
      used += parser.put(boost::asio::buffer(buffer_.data() + used, size - used), error);
    }
    if (error == http::error::body_limit) return too_long();
    const bool full = error == http::error::need_more && used == 0 && size == buffer_.size();
    if (full || error == http::error::header_limit || error == http::error::buffer_overflow) {
      return lost("a line of it has no end", verb);
    }
    if (error && error != http::error::need_more) return lost(error.message(), verb);
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(used), buffer_.begin() + static_cast<std::ptrdiff_t>(size),
              buffer_.begin());
    return size - used;
  }

  [[nodiscard]] std::string request_of(const Request& asked) const {
    std::string text(name_of(asked.verb));
    text.append(" ").append(endpoint_.prefix).append(asked.path);
    if (!asked.query.empty()) text.append("?").append(asked.query);
    const bool ipv6 = endpoint_.host.find(':') != std::string::npos;
    text.append(" HTTP/1.1\r\nHost: ").append(ipv6 ? "[" + endpoint_.host + "]" : endpoint_.host);
    if (!endpoint_.port.empty()) text.append(":").append(endpoint_.port);
    text.append("\r\nUser-Agent: flint/").append(version());
    if (sends_token_ && !options_.token.empty()) text.append("\r\nAuthorization: Bearer ").append(options_.token);
    if (asked.verb == Verb::kPost) {
      text.append("\r\nContent-Type: application/json\r\nContent-Length: ").append(std::to_string(asked.body.size()));
    }
    return text.append("\r\n\r\n").append(asked.body);
  }

  [[nodiscard]] Status too_long() const {
    return unavailable("The answer of " + endpoint_.text + " is longer than " + base::bytes_text(kMostBody) +
                       ". Check that " + std::string(options_.names.server) + " names a Flint server, or ask for less" +
                       std::string(options_.names.fewer) + ".");
  }

  Status lost(const Trouble& trouble, Verb verb) {
    // With TLS 1.3, a server that refuses the client's certificate says so after the handshake.
    if (auto message = said_by_tls(trouble)) {
      unreachable_ = true;
      return unavailable(std::move(*message));
    }
    return lost(trouble.text(), verb);
  }

  [[nodiscard]] Status lost(const std::string& why, Verb verb) const {
    std::string message = "The Flint server at " + endpoint_.text + " gave no whole answer: " + why + ".";
    if (verb != Verb::kGet) message += " Whether it did what was asked is unknown.";
    return unavailable(message);
  }

  Endpoint endpoint_;
  ConnectionOptions options_;
  TlsContext context_of_tls_;
  /// From the start over TCP. To a Unix socket, which usually needs none, only after it asked.
  bool sends_token_;
  /// Connected, and after a whole answer.
  bool usable_ = false;
  bool unreachable_ = true;
  Stream stream_;
  std::vector<char> buffer_ = std::vector<char>(kMostHead);
};

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;
Result<Answer> Connection::call(const Request& request) { return impl_->call(request); }
bool Connection::unreachable() const noexcept { return impl_->unreachable(); }

Connector::Connector(Endpoint endpoint, ConnectionOptions options, TlsContext tls)
    : endpoint_(std::move(endpoint)), options_(std::move(options)), tls_(std::move(tls)) {}

Result<Connector> Connector::make(Endpoint endpoint, ConnectionOptions options) {
  TlsContext context;
  if (endpoint.tls) {
    Result<TlsContext> made = make_tls_context(options.tls, options.names);
    if (!made.ok()) return made.status();
    context = std::move(*made);
  }
  return Connector(std::move(endpoint), std::move(options), std::move(context));
}

Result<std::unique_ptr<Connection>> Connector::connect() const {
  auto impl = std::make_unique<Connection::Impl>(endpoint_, options_, tls_);
  if (Status status = impl->connect(); !status.ok()) return status;
  return std::unique_ptr<Connection>(new Connection(std::move(impl)));
}

std::string advice_on_stranger(const Answer& answer, const Names& names) {
  // What nginx writes in its pages.
  if (answer.body.find("No required SSL certificate was sent") != std::string::npos ||
      answer.body.find("The SSL certificate error") != std::string::npos) {
    return " A proxy there wants a client certificate, or another one: give it with " + std::string(names.cert) + ".";
  }
  if (answer.body.find("plain HTTP request was sent to HTTPS port") != std::string::npos) {
    return " TLS is spoken there: write https://.";
  }
  return {};
}

}  // namespace flint::client
