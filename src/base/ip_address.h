#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flint::base {

/// An IPv4 or IPv6 address. An IPv4 address that is written as IPv6 (`::ffff:127.0.0.1`, as a socket for both kinds
/// shows its IPv4 clients) is that IPv4 address: to the kernel both are the same, so they are here, in every rule.
class IpAddress {
 public:
  /// `127.0.0.1` or `::1`, without brackets and without a zone.
  static std::optional<IpAddress> parse(std::string_view text);
  /// As URLs have it: IPv6 in brackets, IPv4 without.
  static std::optional<IpAddress> parse_host(std::string_view host);
  /// Nothing for a Unix socket.
  static std::optional<IpAddress> of(const sockaddr_storage& address);

  /// 127.0.0.0/8 or ::1.
  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] std::string text() const;

  /// What one client is sure to have for itself: an IPv4 address, also one behind a NAT64 (64:ff9b::/96), or the /64 of
  /// an IPv6 address, in which a host may take as many addresses as it likes.
  [[nodiscard]] IpAddress client() const;

  // NOLINTNEXTLINE(modernize-use-nullptr): the 0 is in what the compiler generates
  auto operator<=>(const IpAddress&) const = default;

 private:
  bool v4_ = true;
  /// In the order of the network; an IPv4 address takes the first four.
  std::array<std::uint8_t, 16> bytes_{};
};

}  // namespace flint::base
