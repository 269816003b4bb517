#include "client/endpoint.h"

#include <algorithm>

#include "base/display.h"

namespace flint::client {
namespace {

using base::quote_given;

constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";
constexpr std::string_view kUnix = "unix:";

Status bad_url(std::string_view url, std::string_view why) {
  return {Code::kInvalidArgument,
          "The server " + quote_given(url) + " " + std::string(why) +
              ". Write http://HOST:PORT, such as http://127.0.0.1:7878, https://HOST or unix:PATH."};
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

/// `/flint` or `/a/b`: segments as they stand in a request, none of which a proxy would resolve or leave out.
bool is_prefix(std::string_view text) {
  constexpr std::string_view kPunctuation = "-._~%!$&'()*+,;=:@";
  while (!text.empty()) {
    if (text.front() != '/') return false;
    text.remove_prefix(1);
    const std::string_view segment = text.substr(0, text.find('/'));
    text.remove_prefix(segment.size());
    const bool plain = std::all_of(segment.begin(), segment.end(), [&](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             kPunctuation.find(c) != std::string_view::npos;
    });
    if (!plain || segment.empty() || segment == "." || segment == "..") return false;
  }
  return true;
}

}  // namespace

Endpoint unix_endpoint(std::string_view socket_path) {
  return {std::string(kUnix) + std::string(socket_path), std::string(socket_path), "localhost", "", false, ""};
}

/// Stricter than a URL: user names and queries are refused. They would have no effect, and whoever writes one
/// expects an effect.
Result<Endpoint> parse_server_url(std::string_view url) {
  if (url.starts_with(kUnix)) {
    if (url.size() == kUnix.size()) return bad_url(url, "names no socket");
    return unix_endpoint(url.substr(kUnix.size()));
  }
  const bool tls = url.starts_with(kHttps);
  if (!tls && !url.starts_with(kHttp)) return bad_url(url, "is not an address of a Flint server");
  const std::string_view scheme = tls ? kHttps : kHttp;

  std::string_view place = url.substr(scheme.size());
  if (place.ends_with('/')) place.remove_suffix(1);
  if (place.find_first_of("?#@") != std::string_view::npos) {
    return bad_url(url, "contains more than a host, a port and a path");
  }
  const std::string_view authority = place.substr(0, place.find('/'));
  const std::string_view prefix = place.substr(authority.size());
  if (!is_prefix(prefix)) return bad_url(url, "has no valid path, which is /NAME or more of them");
  std::string_view host = authority;
  std::string_view port = tls ? "443" : "80";
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
  return Endpoint{.text = std::string(scheme) + std::string(place),
                  .socket_path = "",
                  .host = std::string(host),
                  .port = std::string(port),
                  .tls = tls,
                  .prefix = std::string(prefix)};
}

}  // namespace flint::client
