#include "api/url.h"

#include <algorithm>
#include <charconv>

#include "api/member_name.h"
#include "base/invalid.h"
#include "base/utf8.h"

namespace flint::api {
namespace {

using base::invalid;

/// -1 for what is no hexadecimal digit.
int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_escape(std::string_view text, std::size_t at) noexcept {
  return text.size() - at > 2 && hex_value(text[at + 1]) >= 0 && hex_value(text[at + 2]) >= 0;
}

Result<std::string> decode_argument(std::string_view name, std::string_view text) {
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), '+', ' ');
  std::optional<std::string> decoded = percent_decode(spaced);
  if (!decoded) return invalid(std::string(name) + " contains a '%' without two hexadecimal digits after it.");
  if (!base::is_valid_utf8(*decoded)) return invalid(std::string(name) + " is not valid UTF-8.");
  return *std::move(decoded);
}

}  // namespace

bool is_percent_encoded(std::string_view text) noexcept {
  for (std::size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1)) {
    if (!is_escape(text, at)) return false;
  }
  return true;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      decoded += text[at];
      continue;
    }
    if (!is_escape(text, at)) return std::nullopt;
    decoded += static_cast<char>(hex_value(text[at + 1]) * 16 + hex_value(text[at + 2]));
    at += 2;
  }
  return decoded;
}

Result<Query> Query::parse(std::string_view text, std::span<const std::string_view> names) {
  Query query;
  while (!text.empty()) {
    const std::string_view argument = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(argument.size() + 1, text.size()));
    const std::size_t equals = argument.find('=');
    const std::string_view given = argument.substr(0, equals);

    const auto name = std::find(names.begin(), names.end(), given);
    if (name == names.end()) {
      return invalid("The query argument " + shown_member_name(given) + " is not an argument of this request.");
    }
    if (equals == std::string_view::npos)
      return invalid(std::string(*name) + " has no value: write " + std::string(*name) + "=.");
    if (query.text(*name)) return invalid(std::string(*name) + " appears more than once in the query.");
    Result<std::string> value = decode_argument(*name, argument.substr(equals + 1));
    if (!value.ok()) return value.status();
    query.arguments_.push_back({*name, *std::move(value)});
  }
  return query;
}

std::optional<std::string_view> Query::text(std::string_view name) const {
  for (const Argument& argument : arguments_) {
    if (argument.name == name) return argument.value;
  }
  return std::nullopt;
}

Result<std::uint64_t> Query::number(std::string_view name, std::uint64_t otherwise, std::uint64_t most) const {
  const std::optional<std::string_view> digits = text(name);
  if (!digits) return otherwise;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits->data(), digits->data() + digits->size(), value);
  if (error != std::errc() || end != digits->data() + digits->size() || value < 1 || value > most) {
    return invalid(std::string(name) + " must be an integer from 1 to " + std::to_string(most) + ".");
  }
  return value;
}

}  // namespace flint::api
