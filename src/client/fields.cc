#include "client/fields.h"

#include "base/rfc3339.h"

namespace flint::client {

const json::value* Fields::any(std::string_view name) const {
  return object_ == nullptr ? nullptr : object_->if_contains({name.data(), name.size()});
}

bool Fields::has(std::string_view name) const {
  const json::value* value = any(name);
  return value != nullptr && !value->is_null();
}

bool Fields::truth(std::string_view name) {
  const json::value* value = any(name);
  expect(value != nullptr && value->is_bool());
  return ok_ && value->get_bool();
}

std::string Fields::text(std::string_view name) {
  const json::value* value = any(name);
  expect(value != nullptr && value->is_string());
  if (!ok_) return {};
  const json::string& text = value->get_string();
  return {text.data(), text.size()};
}

std::uint64_t Fields::count(std::string_view name) {
  const json::value* value = any(name);
  const std::optional<std::uint64_t> number = value == nullptr ? std::nullopt : count_of(*value);
  expect(number.has_value());
  return number.value_or(0);
}

WallTime Fields::time(std::string_view name) {
  const std::optional<WallTime> time = base::parse_rfc3339(text(name));
  expect(time.has_value());
  return time.value_or(WallTime());
}

std::optional<std::uint64_t> Fields::count_or_null(std::string_view name) {
  if (const json::value* value = any(name); value != nullptr && value->is_null()) return std::nullopt;
  return count(name);
}

std::optional<WallTime> Fields::time_or_null(std::string_view name) {
  if (const json::value* value = any(name); value != nullptr && value->is_null()) return std::nullopt;
  return time(name);
}

std::optional<std::uint64_t> count_of(const json::value& value) {
  if (value.is_uint64()) return value.get_uint64();
  if (value.is_int64() && value.get_int64() >= 0) return static_cast<std::uint64_t>(value.get_int64());
  return std::nullopt;
}

}  // namespace flint::client
