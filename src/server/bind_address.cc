#include "server/bind_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>
#include <optional>

namespace flint::server {
namespace {

constexpr std::string_view kUnix = "unix:";

Status invalid(std::string_view why) {
  return {Code::kInvalidArgument, "The address to bind " + std::string(why) +
                                      ". Write ADDRESS:PORT, such as 127.0.0.1:7878 or [::1]:7878, or unix:PATH."};
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || text.size() > 5 || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

bool is_ipv4(const std::string& text) {
  in_addr address{};
  return inet_pton(AF_INET, text.c_str(), &address) == 1;
}

bool is_ipv6(const std::string& text) {
  in6_addr address{};
  return inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

}  // namespace

bool BindAddress::is_local() const {
  if (is_unix()) return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string BindAddress::url() const {
  if (is_unix()) return std::string(kUnix) + path;
  const bool v6 = host.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<BindAddress> parse_bind_address(std::string_view text) {
  BindAddress address;
  if (text.starts_with(kUnix)) {
    address.path = text.substr(kUnix.size());
    if (address.path.empty()) return invalid("names no socket");
    if (address.path.find('\0') != std::string::npos) return invalid("holds a NUL");
    return address;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return invalid("has no port");
  const std::optional<std::uint16_t> port = parse_port(text.substr(colon + 1));
  if (!port) return invalid("has no valid port, which is 0 to 65535, 0 for any free one");
  address.port = *port;

  const std::string host(text.substr(0, colon));
  if (host == "localhost") {
    address.host = "127.0.0.1";
  } else if (host.starts_with('[') && host.ends_with(']') && is_ipv6(host.substr(1, host.size() - 2))) {
    address.host = host.substr(1, host.size() - 2);
  } else if (is_ipv4(host)) {
    address.host = host;
  } else {
    return invalid("has no valid IP address (an IPv6 one stands in brackets; names are not looked up)");
  }
  return address;
}

}  // namespace flint::server
