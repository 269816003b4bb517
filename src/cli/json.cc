#include "cli/json.h"

#include <utility>

#include "cli/text.h"

namespace flint::cli {

std::optional<json::value> parse_json(std::string_view text) {
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  return error ? std::nullopt : std::optional(std::move(value));
}

const json::value& member(const json::value& value, std::string_view name) noexcept {
  static const json::object none;
  const json::object* object = value.if_object();
  return member(object == nullptr ? none : *object, name);
}

const json::value& member(const json::object& object, std::string_view name) noexcept {
  static const json::value null;
  const json::value* found = object.if_contains(name);
  return found == nullptr ? null : *found;
}

std::string shown(const json::value& value) {
  if (const json::string* text = value.if_string()) return printable({text->data(), text->size()});
  if (const std::int64_t* number = value.if_int64()) return std::to_string(*number);
  if (const std::uint64_t* number = value.if_uint64()) return std::to_string(*number);
  if (const bool* truth = value.if_bool()) return *truth ? "yes" : "no";
  return "-";
}

std::optional<std::uint64_t> unsigned_of(const json::value& value) noexcept {
  if (const std::uint64_t* number = value.if_uint64()) return *number;
  const std::int64_t* number = value.if_int64();
  if (number == nullptr || *number < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

const json::array& elements(const json::value& value) noexcept {
  static const json::array none;
  const json::array* array = value.if_array();
  return array == nullptr ? none : *array;
}

}  // namespace flint::cli
