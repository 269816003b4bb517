#include "cli/http_caller.h"

#include <fcntl.h>
#include <sys/un.h>

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

#include "base/unique_fd.h"
#include "flint/version.h"

namespace flint::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using StreamEndpoint = asio::generic::stream_protocol::endpoint;
using Deadline = std::chrono::steady_clock::time_point;

/// An answer that is kept whole is at most this long; a list is read in pieces instead.
constexpr std::uint64_t kMaxWholeBody = std::uint64_t{64} << 20;

Status unavailable(std::string message) { return {Code::kUnavailable, std::move(message)}; }

std::string reason(const error_code& error) {
  return error == beast::error::timeout ? std::string("no answer in time") : error.message();
}

/// The addresses of a host. The resolver of the system has no deadline, so it runs beside; when it is too late nobody
/// waits for it.
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

/// Keeps the directory of a socket open while its path is in use.
class SocketAddress {
 public:
  explicit SocketAddress(const std::string& path) : path_(path) {
    if (path.size() < sizeof(sockaddr_un::sun_path)) return;
    // A Unix address holds 107 bytes; a longer path is named through its directory.
    const std::size_t slash = path.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    directory_ = base::UniqueFd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    path_ = "/proc/self/fd/" + std::to_string(directory_.get()) + "/" + path.substr(slash + 1);
  }

  [[nodiscard]] std::optional<StreamEndpoint> endpoint() const {
    if (path_.size() >= sizeof(sockaddr_un::sun_path)) return std::nullopt;
    return StreamEndpoint(asio::local::stream_protocol::endpoint(path_));
  }

 private:
  std::string path_;
  base::UniqueFd directory_;
};

/// Blocking calls with deadlines: each starts one asynchronous operation, which the stream's timer may end, and runs
/// it to its end.
class HttpCaller final : public Caller {
 public:
  HttpCaller(Endpoint endpoint, HttpOptions options)
      : endpoint_(std::move(endpoint)), options_(std::move(options)), stream_(context_) {}

  Status connect() {
    const Deadline deadline = std::chrono::steady_clock::now() + options_.timeout;
    stream_.expires_at(deadline);
    if (endpoint_.socket_path.empty()) {
      Result<std::vector<StreamEndpoint>> candidates = resolve(endpoint_, deadline);
      if (!candidates.ok()) return candidates.status();
      return connect_to_any(*candidates);
    }
    const SocketAddress address(endpoint_.socket_path);
    const std::optional<StreamEndpoint> target = address.endpoint();
    if (!target) return unavailable("The name of the socket in " + endpoint_.text + " is too long.");
    return connect_to_any({*target});
  }

  Result<Answer> call(const Call& call) override {
    stream_.expires_after(options_.timeout);
    http::request<http::string_body> request = request_of(call);
    // A server that refuses early may close before it has read everything, with its answer on the way: a failed write
    // is only the end when there is no answer either.
    const error_code write_error = run([&](auto done) { http::async_write(stream_, request, done); });

    http::response_parser<http::buffer_body> parser;
    parser.body_limit(boost::none);
    if (error_code error = run([&](auto done) { http::async_read_header(stream_, buffer_, parser, done); })) {
      return lost(write_error ? write_error : error, call.method);
    }
    return read_body(parser, call);
  }

  Status finish() override { return {}; }

 private:
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
    return unavailable("Cannot reach a Flint server at " + endpoint_.text + ": " + reason(error) +
                       ". Start one with \"flint server start\", or check --server and FLINT_SERVER.");
  }

  http::request<http::string_body> request_of(const Call& call) const {
    const bool post = call.method == api::Method::kPost;
    http::request<http::string_body> request(post ? http::verb::post : http::verb::get,
                                             call.query.empty() ? call.path : call.path + "?" + call.query, 11);
    const bool ipv6 = endpoint_.host.find(':') != std::string::npos;
    const std::string host = ipv6 ? "[" + endpoint_.host + "]" : endpoint_.host;
    request.set(http::field::host, endpoint_.port.empty() ? host : host + ":" + endpoint_.port);
    request.set(http::field::user_agent, "flint/" + std::string(version()));
    if (!options_.token.empty()) request.set(http::field::authorization, "Bearer " + options_.token);
    if (post) {
      request.set(http::field::content_type, "application/json");
      request.body() = call.body;
      request.prepare_payload();
    }
    return request;
  }

  Result<Answer> read_body(http::response_parser<http::buffer_body>& parser, const Call& call) {
    Answer answer{static_cast<int>(parser.get().result_int()), {}};
    const bool in_pieces = call.on_piece && answer.status == 200;
    std::array<char, std::size_t{16} << 10> piece;
    while (!parser.is_done()) {
      parser.get().body().data = piece.data();
      parser.get().body().size = piece.size();
      if (in_pieces) stream_.expires_after(options_.timeout);
      const error_code error = run([&](auto done) { http::async_read(stream_, buffer_, parser, done); });
      if (error && error != http::error::need_buffer) return lost(error, call.method);
      const std::string_view got(piece.data(), piece.size() - parser.get().body().size);
      if (in_pieces) {
        if (!call.on_piece(got)) return answer;
        continue;
      }
      if (answer.body.size() + got.size() > kMaxWholeBody) {
        return unavailable("The answer of " + endpoint_.text + " is too long. Ask for less with --limit.");
      }
      answer.body += got;
    }
    return answer;
  }

  Status lost(const error_code& error, api::Method method) const {
    std::string message = "The Flint server at " + endpoint_.text + " gave no whole answer: " + reason(error) + ".";
    if (method == api::Method::kPost) message += " Whether it did what was asked is unknown.";
    return unavailable(message);
  }

  Endpoint endpoint_;
  HttpOptions options_;
  asio::io_context context_;
  beast::basic_stream<asio::generic::stream_protocol> stream_;
  beast::flat_buffer buffer_;
};

}  // namespace

Result<std::unique_ptr<Caller>> connect_http(const Endpoint& endpoint, const HttpOptions& options) {
  auto caller = std::make_unique<HttpCaller>(endpoint, options);
  if (Status status = caller->connect(); !status.ok()) return status;
  return std::unique_ptr<Caller>(std::move(caller));
}

}  // namespace flint::cli
