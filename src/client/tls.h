#pragma once

#include <memory>
#include <optional>
#include <string>

#include "client/endpoint.h"
#include "client/names.h"
#include "flint/status.h"

using SSL = struct ssl_st;
using SSL_CTX = struct ssl_ctx_st;

/// What of TLS is ours: whom to trust, what a certificate must say, and sentences for what goes wrong.
namespace flint::client {

struct TlsOptions {
  /// Certificates in PEM form of those who may issue the server's; empty: those that the system trusts.
  std::string ca_file = {};
  /// In PEM form, for a server that asks who its client is; empty: none.
  std::string cert_file = {};
  /// Of that certificate; empty: it is in the same file.
  std::string key_file = {};
};

using TlsContext = std::shared_ptr<SSL_CTX>;

struct TlsSessionDeleter {
  void operator()(SSL* session) const noexcept;
};
using TlsSession = std::unique_ptr<SSL, TlsSessionDeleter>;

/// Reads the files. kInvalidArgument names the one that cannot be used.
Result<TlsContext> make_tls_context(const TlsOptions& options, const Names& names);

/// A session over a connected socket, which outlives it, before its handshake. The server is told which host is meant,
/// and its certificate must name it. Null: OpenSSL's queue of errors says why.
TlsSession make_tls_session(const TlsContext& context, int socket, const std::string& host);

/// What TLS has to say about a call that failed, as a whole message; nothing if the failure is not TLS's. `error` is
/// OpenSSL's, or 0.
[[nodiscard]] std::optional<std::string> tls_failure(SSL* session, unsigned long error, const Endpoint& endpoint,
                                                     const Names& names);

}  // namespace flint::client
