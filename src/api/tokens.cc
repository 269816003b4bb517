#include "api/tokens.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "base/invalid.h"

namespace flint::api {
namespace {

using base::invalid;

constexpr std::string_view kBlanks = " \t\r";
constexpr std::array kRoles = {Role::kCheck, Role::kMetrics, Role::kAdmin};

std::string_view trimmed(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) + 1 - first);
}

bool is_secret(std::string_view text) noexcept {
  const bool visible = std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  return !text.empty() && text.size() <= kMaxTokenBytes && visible;
}

/// A line may be a token with a slip in it: a message does not repeat it.
Status bad_line(std::size_t number, const std::string& why) {
  return invalid("Line " + std::to_string(number) + " of the tokens " + why);
}

Result<Token> parse_line(std::string_view line, std::size_t number) {
  Token token;
  const std::size_t blank = line.find_first_of(kBlanks);
  if (blank != std::string_view::npos) {
    const std::string_view name = line.substr(0, blank);
    const auto* const role =
        std::find_if(kRoles.begin(), kRoles.end(), [name](Role each) { return name_of(each) == name; });
    if (role == kRoles.end()) {
      return bad_line(number,
                      "does not begin with a role: write \"check TOKEN\", \"metrics TOKEN\", \"admin TOKEN\", "
                      "or a token alone.");
    }
    token.role = *role;
    line = trimmed(line.substr(blank));
  }
  if (!is_secret(line)) {
    return bad_line(number, "has a token that cannot be used: a token is 1 to " + std::to_string(kMaxTokenBytes) +
                                " visible ASCII characters without spaces.");
  }
  token.secret = line;
  return token;
}

}  // namespace

std::string_view name_of(Role role) noexcept {
  switch (role) {
    case Role::kCheck:
      return "check";
    case Role::kMetrics:
      return "metrics";
    case Role::kAdmin:
      break;
  }
  return "admin";
}

/// Without an early return, so that the time does not show how many characters are right. The length of the secret does
/// not show either: the loop runs over what was given.
bool same_secret(std::string_view given, std::string_view secret) noexcept {
  if (secret.empty()) return false;
  unsigned difference = given.size() == secret.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(secret[i % secret.size()]);
  }
  return difference == 0;
}

Result<Tokens> Tokens::parse(std::string_view text) {
  Tokens tokens;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.empty() || line == "#" || line.starts_with("# ")) continue;
    Result<Token> token = parse_line(line, number);
    if (!token.ok()) return token.status();
    for (const Token& other : tokens.tokens_) {
      if (other.secret == token->secret)
        return bad_line(number, "has the token of another line. Give each token once.");
    }
    if (tokens.size() == kMaxTokens) {
      return bad_line(number, "is one too many: a server has at most " + std::to_string(kMaxTokens) + " tokens.");
    }
    tokens.tokens_.push_back(std::move(*token));
  }
  if (tokens.empty()) return invalid("There is no token. Write one a line, such as `openssl rand -hex 32` makes.");
  return tokens;
}

std::optional<Role> Tokens::role_of(std::string_view given) const noexcept {
  std::optional<Role> found;
  for (const Token& token : tokens_) {
    if (same_secret(given, token.secret)) found = token.role;
  }
  return found;
}

std::size_t Tokens::shortest() const noexcept {
  FLINT_ASSERT(!empty());
  const auto shorter = [](const Token& a, const Token& b) { return a.secret.size() < b.secret.size(); };
  return std::min_element(tokens_.begin(), tokens_.end(), shorter)->secret.size();
}

const std::string& Tokens::most_able() const noexcept {
  FLINT_ASSERT(!empty());
  const auto admin =
      std::find_if(tokens_.begin(), tokens_.end(), [](const Token& token) { return token.role == Role::kAdmin; });
  return admin != tokens_.end() ? admin->secret : tokens_.front().secret;
}

}  // namespace flint::api
