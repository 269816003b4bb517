#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "client/address.h"
#include "client/tls.h"

namespace flint::client {

/// Why bytes do not move.
struct Trouble {
  enum class Kind : std::uint8_t { kNone, kTimeout, kEnded, kSystem, kTls };
  Kind kind = Kind::kNone;
  /// Of kSystem, an errno; of kTls, an error of OpenSSL.
  unsigned long number = 0;

  [[nodiscard]] bool none() const noexcept { return kind == Kind::kNone; }
  [[nodiscard]] std::string text() const;
};

/// A socket with or without TLS, whose calls block until their deadline. Threads: one. Raises no SIGPIPE.
class Stream {
 public:
  [[nodiscard]] Trouble connect(const Address& address, Deadline deadline);
  /// Once connected; all else goes through TLS from then on. Fails as SSL_connect() does, and with the certificate of
  /// the other side if that is not to be trusted: see tls_failure().
  [[nodiscard]] Trouble start_tls(const TlsContext& context, const std::string& host, Deadline deadline);
  [[nodiscard]] Trouble write(std::string_view bytes, Deadline deadline);
  /// At least one byte, into the beginning of `*room`, which becomes what was read.
  [[nodiscard]] Trouble read(std::span<char>* room, Deadline deadline);
  void close();

  [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }
  /// Null without TLS.
  [[nodiscard]] SSL* tls() const noexcept { return tls_.get(); }
  /// Whether the other side sends no more. Does not block.
  [[nodiscard]] bool ended() const noexcept;

 private:
  [[nodiscard]] Trouble wait(short events, Deadline deadline) const;
  template <typename Call>
  [[nodiscard]] Trouble with_tls(const Call& call, Deadline deadline);

  base::UniqueFd socket_;
  TlsSession tls_;
};

}  // namespace flint::client
