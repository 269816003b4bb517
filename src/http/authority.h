#pragma once

#include <string_view>

/// The value of a Host field, or the host part of an absolute target: `name`, `1.2.3.4`, `[::1]`, each maybe with
/// `:port`.
namespace flint::http {

/// Letters, digits and `.-_~`, or an IPv6 address in brackets; a port of at most 65535. Nothing else: no user, no
/// escapes.
[[nodiscard]] bool is_authority(std::string_view text) noexcept;

/// Whether a valid authority names this machine in a way that no name server controls: `localhost`, 127.0.0.0/8 or
/// `[::1]`, also as `[::ffff:127.0.0.1]`. This stops a web page that made its own name point to this machine (DNS
/// rebinding).
[[nodiscard]] bool is_loopback(std::string_view authority) noexcept;

[[nodiscard]] bool same_authority(std::string_view a, std::string_view b) noexcept;

}  // namespace flint::http
