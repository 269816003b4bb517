#include "cli/arguments.h"

#include <charconv>
#include <cstring>

#include "cli/text.h"

namespace flint::cli {
namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kTokenOption = "--token";

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of(kDigits) == std::string_view::npos;
}

}  // namespace

Result<std::uint64_t> parse_integer(std::string_view name, std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!is_digits(text)) {
    return Status(Code::kInvalidArgument, std::string(name) + " must be a whole number in decimal digits, not " +
                                              quote_given(text) + ". Write it like 100.");
  }
  if (error != std::errc()) {
    return Status(Code::kInvalidArgument, std::string(name) + " is too large: " + quote_given(text) +
                                              ". The largest number anywhere is 1099511627776.");
  }
  return value;
}

/// The last '=', since keys may contain '='. Only digits after it are a cost: `env=prod` is a key.
Result<Item> parse_item(std::string_view text) {
  const std::size_t equals = text.rfind('=');
  if (equals == std::string_view::npos || !is_digits(text.substr(equals + 1))) return Item{.key = std::string(text)};
  Result<std::uint64_t> cost = parse_integer("The cost in " + quote_given(text), text.substr(equals + 1));
  if (!cost.ok()) return cost.status();
  return Item{std::string(text.substr(0, equals)), *cost, true};
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  constexpr std::string_view kUnreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string out;
  for (const char c : text) {
    if (kUnreserved.find(c) != std::string_view::npos) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 0xf];
  }
  return out;
}

std::vector<std::string> take_arguments(int count, char** values) {
  std::vector<std::string> arguments;
  bool value_of_token = false;
  for (int i = 1; i < count; ++i) {
    const std::string& argument = arguments.emplace_back(values[i]);
    std::size_t secret_at = argument.size();
    if (value_of_token) secret_at = 0;
    if (argument.starts_with(kTokenOption) && argument.substr(kTokenOption.size()).starts_with('=')) {
      secret_at = kTokenOption.size() + 1;
    }
    explicit_bzero(values[i] + secret_at, argument.size() - secret_at);
    value_of_token = argument == kTokenOption;
  }
  return arguments;
}

}  // namespace flint::cli
