#include "cli/http_caller.h"

#include <array>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <future>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "cli/text.h"
#include "cli/unix_peer.h"
#include "flint/version.h"

namespace flint::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using StreamEndpoint = asio::generic::stream_protocol::endpoint;
using Deadline = std::chrono::steady_clock::time_point;

constexpr int kUnauthorized = 401;

/// The longest answer: 10,000 statuses of the longest keys fit.
constexpr std::uint64_t kMostBody = std::uint64_t{64} << 20;
/// What is read ahead, and so the longest head, line of a chunk, and trailer.
constexpr std::size_t kMostReadAhead = std::size_t{64} << 10;

Status unavailable(std::string message) { return {Code::kUnavailable, std::move(message)}; }

std::string reason(const error_code& error) {
  if (error == beast::error::timeout) return "no answer in time";
  if (error == http::error::buffer_overflow || error == http::error::header_limit) return "a line of it has no end";
  return error.message();
}

/// The addresses of a host. The system's resolver has no deadline, so it runs on a thread of its own. If it takes too
/// long, nobody waits for it: the thread is detached, and owns everything that it touches.
Result<std::vector<StreamEndpoint>> resolve(const Endpoint& endpoint, Deadline deadline) {
  struct Found {
    error_code error;
    std::vector<StreamEndpoint> endpoints;
  };
  auto found = std::make_shared<std::promise<Found>>();
  std::future<Found> future = found->get_future();
  std::thread([found, host = endpoint.host, port = endpoint.port] {
    asio::io_context context;
    asio::ip::tcp::resolver resolver(context);
    Found result;
    for (const auto& entry : resolver.resolve(host, port, result.error)) {
      result.endpoints.emplace_back(entry.endpoint());
    }
    found->set_value(std::move(result));
  }).detach();
  if (future.wait_until(deadline) != std::future_status::ready) {
    return unavailable("Looking up the host of " + endpoint.text + " takes too long. Use its address instead.");
  }
  Found result = future.get();
  if (result.error) {
    return unavailable("Cannot find the host of " + endpoint.text + ": " + result.error.message() +
                       ". Check --server and FLINT_SERVER.");
  }
  return std::move(result.endpoints);
}

/// Blocking calls with deadlines: each starts one asynchronous operation, which the stream's timer may end, and runs
/// it to its end.
class HttpCaller final : public Caller {
 public:
  HttpCaller(Endpoint endpoint, HttpOptions options)
      : endpoint_(std::move(endpoint)),
        options_(std::move(options)),
        sends_token_(endpoint_.socket_path.empty()),
        stream_(context_) {}

  Status connect() {
    const Deadline deadline = std::chrono::steady_clock::now() + options_.timeout;
    stream_.close();
    buffer_.clear();
    stream_.expires_at(deadline);
    if (endpoint_.socket_path.empty()) {
      Result<std::vector<StreamEndpoint>> candidates = resolve(endpoint_, deadline);
      if (!candidates.ok()) return candidates.status();
      return connect_to_any(*candidates);
    }
    // The peer is judged after the connect and before the first byte: only a connection has a process at its other end.
    Result<SocketPlace> place = SocketPlace::find(endpoint_.socket_path);
    if (!place.ok()) return place.status();
    if (Status status = connect_to_any({asio::local::stream_protocol::endpoint(place->address())}); !status.ok()) {
      return status;
    }
    return place->check_peer(stream_.socket().native_handle());
  }

  Result<Answer> call(const Call& call) override {
    Result<Answer> answer = ask(call);
    if (!answer.ok() || answer->status != kUnauthorized || sends_token_ || options_.token.empty()) return answer;
    // A Unix socket usually needs no token. One that a service manager bound for the server does, and the process there
    // may be trusted, so it gets the token when it asks. The refused request had no effect, so it is safe to repeat.
    sends_token_ = true;
    if (Status status = connect(); !status.ok()) return status;
    return ask(call);
  }

  std::string name() const override { return endpoint_.text; }

  Status finish() override { return {}; }

 private:
  Result<Answer> ask(const Call& call) {
    stream_.expires_after(options_.timeout);
    http::request<http::string_body> request = request_of(call);
    // A server that refuses a request early may close before it has read all of it, while its answer is on the way. So
    // a failed write counts only if there is no answer either.
    const error_code write_error = run([&](auto done) { http::async_write(stream_, request, done); });

    http::response_parser<http::buffer_body> parser;
    parser.body_limit(boost::none);
    if (error_code error = run([&](auto done) { http::async_read_header(stream_, buffer_, parser, done); })) {
      return lost(write_error ? write_error : error, call.method);
    }
    return read_body(parser, call);
  }

  /// Starts an operation with the handler that `start` gets, and returns its error when it is over.
  template <typename Start>
  error_code run(Start start) {
    error_code result;
    start([&](const error_code& error, auto&&...) { result = error; });
    context_.restart();
    context_.run();
    return result;
  }

  Status connect_to_any(const std::vector<StreamEndpoint>& candidates) {
    error_code error = asio::error::host_not_found;
    for (const StreamEndpoint& candidate : candidates) {
      error = run([&](auto done) { stream_.async_connect(candidate, done); });
      if (!error) return {};
      if (error == beast::error::timeout) break;
    }
    if (error == asio::error::connection_refused && !endpoint_.socket_path.empty()) {
      return unavailable("Cannot reach a Flint server at " + endpoint_.text +
                         ": no server listens there any more, and the socket is left over from one that was killed. "
                         "Start the server again; it replaces the socket.");
    }
    return unavailable("Cannot reach a Flint server at " + endpoint_.text + ": " + reason(error) +
                       ". Start one with \"flint server start\", or check --server and FLINT_SERVER.");
  }

  http::request<http::string_body> request_of(const Call& call) const {
    const bool post = call.method == api::Method::kPost;
    const http::verb verb = post                                  ? http::verb::post
                            : call.method == api::Method::kDelete ? http::verb::delete_
                                                                  : http::verb::get;
    http::request<http::string_body> request(verb, call.query.empty() ? call.path : call.path + "?" + call.query, 11);
    const bool ipv6 = endpoint_.host.find(':') != std::string::npos;
    const std::string host = ipv6 ? "[" + endpoint_.host + "]" : endpoint_.host;
    request.set(http::field::host, endpoint_.port.empty() ? host : host + ":" + endpoint_.port);
    request.set(http::field::user_agent, "flint/" + std::string(version()));
    if (sends_token_ && !options_.token.empty()) {
      request.set(http::field::authorization, "Bearer " + options_.token);
    }
    if (post) {
      request.set(http::field::content_type, "application/json");
      request.body() = call.body;
      request.prepare_payload();
    }
    return request;
  }

  /// In pieces and with its own bound, so that the error for a long answer says what to do.
  Result<Answer> read_body(http::response_parser<http::buffer_body>& parser, const Call& call) {
    Answer answer{static_cast<int>(parser.get().result_int()), {}};
    if (const auto length = parser.content_length(); length && *length > kMostBody) return too_long();
    std::array<char, std::size_t{16} << 10> piece;
    while (!parser.is_done()) {
      parser.get().body().data = piece.data();
      parser.get().body().size = piece.size();
      const error_code error = run([&](auto done) { http::async_read(stream_, buffer_, parser, done); });
      if (error && error != http::error::need_buffer) return lost(error, call.method);
      const std::string_view got(piece.data(), piece.size() - parser.get().body().size);
      if (answer.body.size() + got.size() > kMostBody) return too_long();
      answer.body += got;
    }
    return answer;
  }

  Status too_long() const {
    return unavailable("The answer of " + endpoint_.text + " is longer than " + bytes_text(kMostBody) +
                       ". Check that --server and FLINT_SERVER name a Flint server, or ask for less with --limit.");
  }

  Status lost(const error_code& error, api::Method method) const {
    std::string message = "The Flint server at " + endpoint_.text + " gave no whole answer: " + reason(error) + ".";
    if (method != api::Method::kGet) message += " Whether it did what was asked is unknown.";
    return unavailable(message);
  }

  Endpoint endpoint_;
  HttpOptions options_;
  /// From the start over TCP. To a Unix socket, which usually needs none, only after it asked.
  bool sends_token_;
  asio::io_context context_;
  beast::basic_stream<asio::generic::stream_protocol> stream_;
  beast::flat_buffer buffer_{kMostReadAhead};
};

}  // namespace

Result<std::unique_ptr<Caller>> connect_http(const Endpoint& endpoint, const HttpOptions& options) {
  auto caller = std::make_unique<HttpCaller>(endpoint, options);
  if (Status status = caller->connect(); !status.ok()) return status;
  return std::unique_ptr<Caller>(std::move(caller));
}

}  // namespace flint::cli
