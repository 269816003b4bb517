#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "api/gate.h"
#include "api/service.h"
#include "backend/backend.h"
#include "base/ip_address.h"
#include "http/request_head.h"

namespace flint::http {

/// The gates of a server: `/v1/gate`, whose query says what is asked, and below it those of the configuration file,
/// which take it from there and from the request's fields. Threads: any.
class Gates {
 public:
  Gates() = default;
  /// Their names differ.
  explicit Gates(std::vector<api::Gate> gates) : gates_(std::move(gates)) {}

  /// Whether `path` is `/v1/gate` or below it.
  [[nodiscard]] static bool has(std::string_view path) noexcept;
  /// For these paths: any method, no body.
  [[nodiscard]] static api::Service::Route route();

  /// The response, if it is the answer; otherwise it was asked of `queue`, and api::gate_response() makes the response
  /// of what `asker` is answered, with `statuses`, which are set before. `peer` is who sent the request, nothing for
  /// a Unix socket.
  [[nodiscard]] std::optional<api::Response> submit(const api::Service::Route& route, const RequestHead& head,
                                                    const std::optional<base::IpAddress>& peer, backend::Queue& queue,
                                                    backend::Asker& asker, std::uint64_t number,
                                                    api::GateStatuses& statuses) const;

 private:
  /// Null if there is none.
  [[nodiscard]] const api::Gate* find(std::string_view path) const;

  std::vector<api::Gate> gates_;
};

/// Who sent a request that came through `trusted_hops` proxies, each of which appended to `forwarded_for` whom it got
/// the request from. What stands further left the client may have written. Of an IPv6 address its /64, in which a
/// client may have as many addresses as it likes; `unix` if nobody has an address.
[[nodiscard]] std::string client_of(const std::optional<base::IpAddress>& peer, std::string_view forwarded_for,
                                    unsigned trusted_hops);

}  // namespace flint::http
