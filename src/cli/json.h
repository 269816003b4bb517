#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Reading answers. What is absent or of another type reads as nothing.
namespace flint::cli {

namespace json = boost::json;

/// Nothing when `text` is not one whole JSON value.
[[nodiscard]] std::optional<json::value> parse_json(std::string_view text);

/// The member `name` of an object; null when `value` is no object or has none.
[[nodiscard]] const json::value& member(const json::value& value, std::string_view name) noexcept;
[[nodiscard]] const json::value& member(const json::object& object, std::string_view name) noexcept;

/// A string as printable(), an integer in digits, a boolean as yes or no; anything else is "-".
[[nodiscard]] std::string shown(const json::value& value);

[[nodiscard]] std::optional<std::uint64_t> unsigned_of(const json::value& value) noexcept;

/// The elements of an array; none when `value` is no array.
[[nodiscard]] const json::array& elements(const json::value& value) noexcept;

}  // namespace flint::cli
