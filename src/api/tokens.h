#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flint/status.h"

/// The tokens of a server, and what each of them allows.
namespace flint::api {

enum class Role : std::uint8_t {
  /// Decides: for the services that a limiter serves.
  kCheck,
  /// Reads everything and changes nothing: for monitoring.
  kMetrics,
  /// May do everything.
  kAdmin,
};

/// As in a token file.
[[nodiscard]] std::string_view name_of(Role role) noexcept;

/// Who may use an operation, besides those whose role is admin.
struct Roles {
  bool check = false;
  bool metrics = false;

  [[nodiscard]] constexpr bool admit(Role role) const noexcept {
    return role == Role::kAdmin || (role == Role::kCheck ? check : metrics);
  }
};

/// Compares in a time that depends only on the length of `given`.
[[nodiscard]] bool same_secret(std::string_view given, std::string_view secret) noexcept;

struct Token {
  Role role = Role::kAdmin;
  /// 1 to kMaxTokenBytes visible ASCII characters without spaces.
  std::string secret;

  friend bool operator==(const Token&, const Token&) = default;
};

inline constexpr std::size_t kMaxTokenBytes = 512;
inline constexpr std::size_t kMaxTokens = 64;

/// Several at once, so that a new token can be given out before the old one ends.
class Tokens {
 public:
  /// None: requests need none.
  Tokens() = default;

  /// One a line: `ROLE TOKEN`, or a token alone, whose role is admin. Blank lines and those that begin with `# ` are
  /// passed over. Fails with kInvalidArgument, and a message that names the line and never holds a token.
  [[nodiscard]] static Result<Tokens> parse(std::string_view text);

  [[nodiscard]] bool empty() const noexcept { return tokens_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return tokens_.size(); }
  /// What `given` allows; nothing if it is none of them. It is compared with each, so the time does not show which.
  [[nodiscard]] std::optional<Role> role_of(std::string_view given) const noexcept;
  /// Of the shortest token; there is one.
  [[nodiscard]] std::size_t shortest() const noexcept;
  /// For a client: the first whose role is admin, else the first. There is one.
  [[nodiscard]] const std::string& most_able() const noexcept;

  friend bool operator==(const Tokens&, const Tokens&) = default;

 private:
  std::vector<Token> tokens_;
};

}  // namespace flint::api
