#include "client/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

#include "base/display.h"
#include "base/invalid.h"

namespace flint::client {
namespace {

using base::invalid;
using base::quote;

/// OpenSSL's own messages of files say neither which one nor what to do.
Status cannot_use(std::string_view what, const std::string& file, std::string_view otherwise) {
  const std::string why =
      ::access(file.c_str(), R_OK) == 0 ? std::string(otherwise) : std::generic_category().message(errno);
  return invalid("Cannot use " + std::string(what) + " " + quote(file) + ": " + why + ".");
}

/// Otherwise OpenSSL asks at the terminal, of which a program in the background has none.
int no_passphrase(char*, int, int, void*) { return 0; }

Status present_certificate(SSL_CTX* context, const TlsOptions& options) {
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  if (SSL_CTX_use_certificate_chain_file(context, options.cert_file.c_str()) != 1) {
    return cannot_use("the certificate", options.cert_file, "it holds no certificate in PEM form");
  }
  const std::string& key = options.key_file.empty() ? options.cert_file : options.key_file;
  ERR_clear_error();
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) == 1) return {};
  if (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH ||
      ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_TYPE_MISMATCH) {
    return cannot_use("the key", key, "it is not that of the certificate " + quote(options.cert_file));
  }
  return cannot_use("the key", key, "it holds no private key in PEM form without a passphrase");
}

/// In words, of what X509_verify_cert found.
std::string certificate_problem(long found, const Endpoint& endpoint, const Names& names) {
  const std::string certificate = "The certificate of " + endpoint.text + " ";
  switch (found) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return certificate + "is not for the host " + quote(endpoint.host) + ". Check " + std::string(names.server) +
             ": it must name the host as the certificate does.";
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return certificate + "has expired. It has to be renewed at the server.";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return certificate + "is not valid yet. Check the clock of this machine.";
    default:
      return certificate + "is not trusted: " + X509_verify_cert_error_string(found) +
             ". If one of your own authorities issued it, give that one's certificate with " + std::string(names.ca) +
             ".";
  }
}

/// The description of an alert that the other side sent, or 0.
int alert_of(unsigned long error) {
  const int reason = ERR_GET_REASON(error);
  return reason > SSL_AD_REASON_OFFSET ? reason - SSL_AD_REASON_OFFSET : 0;
}

// OpenSSL's own way to a socket would raise SIGPIPE where the other side has gone.

int descriptor_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

int send_to_socket(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t sent = ::send(descriptor_of(bio), bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int receive_from_socket(BIO* bio, char* room, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t got = ::recv(descriptor_of(bio), room, static_cast<std::size_t>(size), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(got);
}

long control_socket(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

/// Lives as long as the process; null if there is no memory for it.
const BIO_METHOD* socket_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "flint socket");
    if (made == nullptr) return made;
    (void)BIO_meth_set_write(made, send_to_socket);
    (void)BIO_meth_set_read(made, receive_from_socket);
    (void)BIO_meth_set_ctrl(made, control_socket);
    return made;
  }();
  return method;
}

bool expect_host(SSL* session, const std::string& host) {
  static constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  X509_VERIFY_PARAM* wanted = SSL_get0_param(session);
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  // It takes addresses alone; those are not sent as names.
  const bool set = X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1 ||
                   (SSL_set1_host(session, host.c_str()) == 1 &&
                    SSL_set_tlsext_host_name(session, host.c_str()) == 1);  // NOLINT: a macro of OpenSSL
  // 0 is its success.
  return set && SSL_set_alpn_protos(session, kHttp11, sizeof(kHttp11)) == 0;
}

}  // namespace

void TlsSessionDeleter::operator()(SSL* session) const noexcept { SSL_free(session); }

Result<TlsContext> make_tls_context(const TlsOptions& options, const Names& names) {
  const TlsContext context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (context == nullptr) return Status(Code::kIoError, "TLS cannot be used: there is no memory for it.");
  (void)SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (options.ca_file.empty()) {
    (void)SSL_CTX_set_default_verify_paths(context.get());
  } else if (SSL_CTX_load_verify_file(context.get(), options.ca_file.c_str()) != 1) {
    return cannot_use("the CA file", options.ca_file, "it holds no certificate in PEM form");
  }
  if (!options.key_file.empty() && options.cert_file.empty()) {
    return invalid("A key for TLS is given without its certificate. Give both, with " + std::string(names.cert) + ".");
  }
  if (!options.cert_file.empty()) {
    if (Status status = present_certificate(context.get(), options); !status.ok()) return status;
  }
  return context;
}

TlsSession make_tls_session(const TlsContext& context, int socket, const std::string& host) {
  TlsSession session(SSL_new(context.get()));
  BIO* way = socket_method() == nullptr ? nullptr : BIO_new(socket_method());
  if (session == nullptr || way == nullptr) {
    BIO_free(way);
    return nullptr;
  }
  BIO_set_data(way, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
  BIO_set_init(way, 1);
  SSL_set_bio(session.get(), way, way);
  return expect_host(session.get(), host) ? std::move(session) : nullptr;
}

std::optional<std::string> tls_failure(SSL* session, unsigned long error, const Endpoint& endpoint,
                                       const Names& names) {
  if (const long found = SSL_get_verify_result(session); found != X509_V_OK) {
    return certificate_problem(found, endpoint, names);
  }
  const int reason = ERR_GET_REASON(error);
  if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST || reason == SSL_R_PACKET_LENGTH_TOO_LONG) {
    return "No TLS is spoken at " + endpoint.text + ". Write http:// if that is a Flint server without a proxy.";
  }
  switch (alert_of(error)) {
    case SSL_AD_CERTIFICATE_REQUIRED:
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_CERTIFICATE_EXPIRED:
      return "The server at " + endpoint.text + " refused this client: " + ERR_reason_error_string(error) +
             ". It may want a client certificate, or another one: give it with " + std::string(names.cert) + ".";
    default:
      return std::nullopt;
  }
}

}  // namespace flint::client
