#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flint/status.h"

/// From the text of an argument to its value. Only what is no number at all is refused here; ranges are the API's to
/// judge, so that they are the same and are told in the same words everywhere.
namespace flint::cli {

/// Decimal digits and nothing else: no sign, blank, point, exponent or other base. kInvalidArgument names the argument.
Result<std::uint64_t> parse_integer(std::string_view name, std::string_view text);

struct Item {
  std::string key;
  std::uint64_t cost = 1;
  /// It was written, and is not the default.
  bool has_cost = false;
};

/// `KEY` or `KEY=COST`. What follows the last '=' is the cost when it is all digits; so a key that itself ends like
/// that is written with its cost: `page=3=1`.
Result<Item> parse_item(std::string_view text);

/// For a path in a URL: everything but unreserved characters as %XX.
[[nodiscard]] std::string percent_encode(std::string_view text);

/// Copies the arguments (without the program's name) and overwrites the values of --token where the system shows them
/// to everybody, in the process list.
[[nodiscard]] std::vector<std::string> take_arguments(int count, char** values);

}  // namespace flint::cli
