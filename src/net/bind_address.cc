#include "net/bind_address.h"

#include <charconv>
#include <optional>

#include "base/ip_address.h"

namespace flint::net {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kNone = "none";

Status invalid(std::string_view why) {
  return {Code::kInvalidArgument,
          "The address to bind " + std::string(why) +
              ". Write ADDRESS:PORT, such as 127.0.0.1:7878 or [::1]:7878, or unix:PATH, or none."};
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || text.size() > 5 || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

}  // namespace

bool BindAddress::is_local() const {
  if (is_unix() || is_none()) return true;
  const std::optional<base::IpAddress> address = base::IpAddress::parse(host);
  return address && address->is_loopback();
}

std::string BindAddress::url() const {
  if (is_unix()) return std::string(kUnix) + path;
  if (is_none()) return std::string(kNone);
  const bool v6 = host.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<BindAddress> parse_bind_address(std::string_view text) {
  BindAddress address;
  if (text == kNone) return address;
  if (text.starts_with(kUnix)) {
    address.path = text.substr(kUnix.size());
    if (address.path.empty()) return invalid("names no socket");
    if (address.path.find('\0') != std::string::npos) return invalid("contains a NUL byte");
    return address;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return invalid("has no port");
  const std::optional<std::uint16_t> port = parse_port(text.substr(colon + 1));
  if (!port) return invalid("has no valid port, which is 0 to 65535, 0 for any free one");
  address.port = *port;

  const std::string_view host = text.substr(0, colon);
  const std::optional<base::IpAddress> ip =
      host == "localhost" ? base::IpAddress::parse("127.0.0.1") : base::IpAddress::parse_host(host);
  if (!ip) return invalid("has no valid IP address (put an IPv6 address in brackets; names are not looked up)");
  address.host = ip->text();
  return address;
}

}  // namespace flint::net
