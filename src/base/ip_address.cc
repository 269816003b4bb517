#include "base/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace flint::base {
namespace {

constexpr std::size_t kV4Bytes = 4;
/// Before the IPv4 address in the last four bytes.
using Prefix = std::array<std::uint8_t, 12>;
constexpr Prefix kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr Prefix kNat64 = {0, 0x64, 0xff, 0x9b};

bool begins_with(const std::array<std::uint8_t, 16>& bytes, const Prefix& prefix) {
  return std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

std::array<std::uint8_t, 16> last_four(const std::array<std::uint8_t, 16>& bytes) {
  std::array<std::uint8_t, 16> v4{};
  std::copy(bytes.end() - kV4Bytes, bytes.end(), v4.begin());
  return v4;
}

}  // namespace

// inet_pton and not getaddrinfo: that would also take 127.1 and host names, and ask a name server for them.
std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::copy(text.begin(), text.end(), terminated.begin());
  sockaddr_storage address{};
  if (inet_pton(AF_INET, terminated.data(), &reinterpret_cast<sockaddr_in&>(address).sin_addr) == 1) {
    address.ss_family = AF_INET;
  } else if (inet_pton(AF_INET6, terminated.data(), &reinterpret_cast<sockaddr_in6&>(address).sin6_addr) == 1) {
    address.ss_family = AF_INET6;
  }
  return of(address);
}

std::optional<IpAddress> IpAddress::parse_host(std::string_view host) {
  const bool v6 = host.size() > 2 && host.starts_with('[') && host.ends_with(']');
  if (v6) host = host.substr(1, host.size() - 2);
  if (v6 != (host.find(':') != std::string_view::npos)) return std::nullopt;
  return parse(host);
}

// A socket that listens on IPv6 reports IPv4 clients as ::ffff:a.b.c.d. They become IPv4 here, so that a client has one
// key whichever way it came in.
std::optional<IpAddress> IpAddress::of(const sockaddr_storage& address) {
  IpAddress found;
  if (address.ss_family == AF_INET) {
    std::memcpy(found.bytes_.data(), &reinterpret_cast<const sockaddr_in&>(address).sin_addr, kV4Bytes);
    return found;
  }
  if (address.ss_family != AF_INET6) return std::nullopt;
  std::memcpy(found.bytes_.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, found.bytes_.size());
  found.v4_ = begins_with(found.bytes_, kMapped);
  if (found.v4_) found.bytes_ = last_four(found.bytes_);
  return found;
}

bool IpAddress::is_loopback() const {
  if (v4_) return bytes_[0] == 127;
  return bytes_.back() == 1 && std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t b) { return b == 0; });
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(v4_ ? AF_INET : AF_INET6, bytes_.data(), text.data(), text.size());
  return text.data();
}

// An IPv6 host has a whole /64 to pick addresses from, so a key per address would limit nothing. Behind NAT64 it is the
// other way round: the prefix is the same for all, and the client's IPv4 address is in the last four bytes.
IpAddress IpAddress::client() const {
  if (v4_) return *this;
  IpAddress client = *this;
  client.v4_ = begins_with(bytes_, kNat64);
  if (client.v4_) {
    client.bytes_ = last_four(bytes_);
  } else {
    std::fill(client.bytes_.begin() + 8, client.bytes_.end(), std::uint8_t{0});
  }
  return client;
}

}  // namespace flint::base
