#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "client/endpoint.h"
#include "client/names.h"
#include "client/tls.h"
#include "flint/status.h"

namespace flint::client {

enum class Verb : std::uint8_t { kGet, kPost, kDelete };

/// One request to the HTTP API.
struct Request {
  Verb verb = Verb::kGet;
  /// Percent-encoded, and without what the endpoint puts before it.
  std::string_view path;
  /// Without '?', percent-encoded.
  std::string_view query;
  /// JSON.
  std::string_view body;
};

struct Answer {
  /// An HTTP status.
  int status = 200;
  std::string body;
};

struct ConnectionOptions {
  /// If empty, none is sent. A Unix socket gets it only after asking for one.
  std::string token = {};
  /// The time for each complete answer, and for each connect.
  std::chrono::milliseconds timeout{10'000};
  /// For `https://` only.
  TlsOptions tls = {};
  Names names = {};
};

/// A connection to a Flint server that stays open between requests. Threads: one.
class Connection {
 public:
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Connects anew first if the server has ended the connection since the last answer. Fails with kUnavailable if there
  /// is no whole answer: unreachable() then tells whether the request was sent at all. An answer above 64 MiB is
  /// kUnavailable. What the API refuses is an Answer.
  Result<Answer> call(const Request& request);

  /// Of a call that failed: the server cannot have got all of the request, and so has not done what was asked.
  [[nodiscard]] bool unreachable() const noexcept;

 private:
  friend class Connector;
  class Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Makes connections to one server. Threads: any.
class Connector {
 public:
  /// kInvalidArgument if a file of `options.tls` cannot be used.
  static Result<Connector> make(Endpoint endpoint, ConnectionOptions options);

  /// Fails with kUnavailable if that fails or takes too long, or the certificate of the server is not to be trusted;
  /// and with kPermission if the process at the other end of a Unix socket may not be trusted
  /// (SocketPlace::check_peer).
  [[nodiscard]] Result<std::unique_ptr<Connection>> connect() const;

  [[nodiscard]] const Endpoint& endpoint() const noexcept { return endpoint_; }
  [[nodiscard]] const ConnectionOptions& options() const noexcept { return options_; }

 private:
  Connector(Endpoint endpoint, ConnectionOptions options, TlsContext tls);
  Endpoint endpoint_;
  ConnectionOptions options_;
  TlsContext tls_;
};

/// What to do about an answer that is not a Flint server's but a proxy's; empty if that is not known. Begins with a
/// space.
[[nodiscard]] std::string advice_on_stranger(const Answer& answer, const Names& names);

}  // namespace flint::client
