#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flint/time.h"

/// Values out of JSON that may be anybody's.
namespace flint::client {

namespace json = boost::json;

/// The members of an object. The first that is missing, or of another kind than it should be, makes all of it bad;
/// what is read of it then has no meaning.
class Fields {
 public:
  explicit Fields(const json::value& value) : object_(value.if_object()), ok_(object_ != nullptr) {}

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  void refuse() noexcept { ok_ = false; }
  void expect(bool truth) noexcept { ok_ = ok_ && truth; }

  /// Null if there is none.
  [[nodiscard]] const json::value* any(std::string_view name) const;
  /// Whether there is one that is not null.
  [[nodiscard]] bool has(std::string_view name) const;

  bool truth(std::string_view name);
  std::string text(std::string_view name);
  std::uint64_t count(std::string_view name);
  WallTime time(std::string_view name);
  /// Null is none, and must be there.
  std::optional<std::uint64_t> count_or_null(std::string_view name);
  std::optional<WallTime> time_or_null(std::string_view name);

  /// The name of one of a few values, by the function that knows them.
  template <typename Value>
  Value named(std::string_view name, std::optional<Value> (*parse)(std::string_view)) {
    const std::optional<Value> value = parse(text(name));
    if (!value) refuse();
    return value.value_or(Value());
  }

  /// An array, each element by `read`, which says whether it could.
  template <typename Element>
  std::vector<Element> array(std::string_view name, bool (*read)(const json::value&, Element*)) {
    std::vector<Element> elements;
    const json::value* value = any(name);
    if (value == nullptr || !read_array(*value, read, &elements)) refuse();
    return elements;
  }

  template <typename Element>
  static bool read_array(const json::value& value, bool (*read)(const json::value&, Element*),
                         std::vector<Element>* elements) {
    const json::array* array = value.if_array();
    if (array == nullptr) return false;
    for (const json::value& element : *array) {
      if (!read(element, &elements->emplace_back())) return false;
    }
    return true;
  }

 private:
  const json::object* object_;
  bool ok_;
};

[[nodiscard]] std::optional<std::uint64_t> count_of(const json::value& value);

}  // namespace flint::client
