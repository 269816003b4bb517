#include "cli/endpoint.h"

#include <algorithm>

#include "cli/text.h"

namespace flint::cli {
namespace {

constexpr std::string_view kHttp = "http://";
constexpr std::string_view kUnix = "unix:";

Status bad_url(std::string_view url, std::string_view why) {
  return {Code::kInvalidArgument, "The server " + quote_given(url) + " " + std::string(why) +
                                      ". Write http://HOST:PORT, such as http://127.0.0.1:7878, or unix:PATH."};
}

bool is_port(std::string_view text) {
  const bool digits =
      !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == std::string_view::npos;
  return digits && std::stoi(std::string(text)) >= 1 && std::stoi(std::string(text)) <= 65535;
}

bool is_host(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_' || c == ':';
  });
}

}  // namespace

Endpoint unix_endpoint(std::string_view socket_path) {
  return {std::string(kUnix) + std::string(socket_path), std::string(socket_path), "localhost", ""};
}

/// Stricter than a URL: user names, paths and queries are refused. They would have no effect, and whoever writes one
/// expects an effect.
Result<Endpoint> parse_server_url(std::string_view url) {
  if (url.starts_with(kUnix)) {
    if (url.size() == kUnix.size()) return bad_url(url, "names no socket");
    return unix_endpoint(url.substr(kUnix.size()));
  }
  if (url.starts_with("https://")) {
    return bad_url(url, "asks for TLS, which Flint leaves to a proxy: name the server behind it");
  }
  if (!url.starts_with(kHttp)) return bad_url(url, "is not an address of a Flint server");

  std::string_view authority = url.substr(kHttp.size());
  if (authority.ends_with('/')) authority.remove_suffix(1);
  if (authority.find_first_of("/?#@") != std::string_view::npos) {
    return bad_url(url, "contains more than a host and a port");
  }
  std::string_view host = authority;
  std::string_view port = "80";
  const bool bracketed = authority.starts_with('[');
  const std::size_t host_end = bracketed ? authority.find(']') : std::string_view::npos;
  const std::size_t colon = authority.find(':', bracketed ? host_end : 0);
  if (colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  if (bracketed) {
    if (!host.ends_with(']')) return bad_url(url, "has an IPv6 address without its closing bracket");
    host = host.substr(1, host.size() - 2);
  }
  if (!is_host(host) || (!bracketed && host.find(':') != std::string_view::npos))
    return bad_url(url, "has no valid host");
  if (!is_port(port)) return bad_url(url, "has no valid port, which is 1 to 65535");
  return Endpoint{std::string(kHttp) + std::string(authority), "", std::string(host), std::string(port)};
}

}  // namespace flint::cli
