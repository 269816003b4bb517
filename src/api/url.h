#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flint/status.h"

/// Paths and queries of requests, read strictly.
namespace flint::api {

/// Whether each '%' is followed by two hexadecimal digits.
[[nodiscard]] bool is_percent_encoded(std::string_view text) noexcept;

/// Nothing when a '%' is not followed by two hexadecimal digits. '+' stays '+'.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

/// The arguments behind '?', as forms write them: `name=value`, '&' between, '+' or `%20` for a space. Each name once,
/// and none but those that are asked for.
class Query {
 public:
  /// kInvalidArgument names what is wrong. The names are copied nowhere: static storage.
  static Result<Query> parse(std::string_view text, std::span<const std::string_view> names);

  /// The value of `name`; nothing when it was not given. Lives as long as the Query.
  [[nodiscard]] std::optional<std::string_view> text(std::string_view name) const;
  /// An integer from 1 to `most`, or `otherwise` when it was not given.
  Result<std::uint64_t> number(std::string_view name, std::uint64_t otherwise, std::uint64_t most) const;

 private:
  struct Argument {
    std::string_view name;
    std::string value;
  };
  std::vector<Argument> arguments_;
};

}  // namespace flint::api
