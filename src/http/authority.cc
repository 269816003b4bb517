#include "http/authority.h"

#include <algorithm>
#include <optional>

#include "base/ip_address.h"
#include "http/chars.h"

namespace flint::http {
namespace {

struct Parts {
  /// With the brackets of an IPv6 address.
  std::string_view host;
  std::string_view port;
  bool has_port = false;
};

Parts split(std::string_view authority) noexcept {
  const std::size_t host_end = authority.starts_with('[') ? authority.find(']') : 0;
  const std::size_t colon = authority.find(':', host_end == std::string_view::npos ? authority.size() : host_end);
  if (colon == std::string_view::npos) return {.host = authority, .port = {}, .has_port = false};
  return {.host = authority.substr(0, colon), .port = authority.substr(colon + 1), .has_port = true};
}

bool is_port(std::string_view text) noexcept {
  std::uint32_t port = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || port > 65535) return false;
    port = port * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return port <= 65535;
}

bool is_host(std::string_view host) noexcept {
  if (host.starts_with('[')) return base::IpAddress::parse_host(host).has_value();
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return (to_lower(c) >= 'a' && to_lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
           c == '~';
  });
}

}  // namespace

bool is_authority(std::string_view text) noexcept {
  const Parts parts = split(text);
  return is_host(parts.host) && (!parts.has_port || is_port(parts.port));
}

bool is_loopback(std::string_view authority) noexcept {
  const std::string_view host = split(authority).host;
  if (equals_ignoring_case(host, "localhost")) return true;
  const std::optional<base::IpAddress> address = base::IpAddress::parse_host(host);
  return address && address->is_loopback();
}

bool same_authority(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return to_lower(x) == to_lower(y); });
}

}  // namespace flint::http
