#include "api/json_document.h"

#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <functional>
#include <optional>

#include "api/member_name.h"
#include "base/assert.h"
#include "base/utf8.h"

namespace flint::api {
namespace {

namespace json = boost::json;

bool is_within(std::string_view piece, std::string_view whole) noexcept {
  const std::less_equal<const char*> not_after;
  return not_after(whole.data(), piece.data()) && not_after(piece.data() + piece.size(), whole.data() + whole.size());
}

/// The value of a JSON number that is whole and fits, exactly. JSON Schema calls `2.0` and `2e0` integers, and clients
/// of languages with one kind of number send them.
std::optional<std::uint64_t> whole_number(std::string_view text) {
  const std::size_t exponent_at = std::min(text.find_first_of("eE"), text.size());
  const std::string_view mantissa = text.substr(0, exponent_at);
  const std::size_t point = std::min(mantissa.find('.'), mantissa.size());
  std::string digits(mantissa.substr(0, point));
  if (point < mantissa.size()) digits += mantissa.substr(point + 1);
  if (digits.find_first_not_of("-0") == std::string::npos) return 0;
  if (digits.starts_with('-')) return std::nullopt;
  digits.erase(0, digits.find_first_not_of('0'));

  std::int64_t exponent = 0;
  if (exponent_at < text.size()) {
    std::string_view written = text.substr(exponent_at + 1);
    if (written.starts_with('+')) written.remove_prefix(1);
    if (std::from_chars(written.data(), written.data() + written.size(), exponent).ec != std::errc()) return {};
    // No body is long enough to bring a number with such an exponent back into range.
    constexpr std::int64_t kLargest = 1'000'000'000;
    if (exponent < -kLargest || exponent > kLargest) return std::nullopt;
  }
  // The digits stand for themselves times 10 to this power.
  std::int64_t scale = exponent - static_cast<std::int64_t>(mantissa.size() - std::min(point + 1, mantissa.size()));
  for (; scale < 0 && digits.ends_with('0'); ++scale) digits.pop_back();
  constexpr std::int64_t kMostDigits = 20;
  if (scale < 0 || static_cast<std::int64_t>(digits.size()) + scale > kMostDigits) return std::nullopt;
  digits.append(static_cast<std::size_t>(scale), '0');
  std::uint64_t value = 0;
  if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec != std::errc()) return std::nullopt;
  return value;
}

json::parse_options strict_options() {
  json::parse_options options;
  options.max_depth = kMaxJsonDepth;
  return options;
}

}  // namespace

/// What Boost.JSON's parser tells: the members and their names are Boost's contract of a handler.
class JsonDocument::Builder {
 public:
  static constexpr std::size_t max_object_size = kMaxLimitsJsonValues;
  static constexpr std::size_t max_array_size = kMaxLimitsJsonValues;
  static constexpr std::size_t max_key_size = SIZE_MAX;
  static constexpr std::size_t max_string_size = SIZE_MAX;

  Builder(JsonDocument& document, std::string_view text, std::size_t most_values)
      : document_(document), text_(text), most_values_(most_values) {
    document_.nodes_.clear();
    document_.unescaped_.clear();
  }

  [[nodiscard]] bool too_long() const { return too_long_; }

  /// The field that was being read, like `items[3].cost`; empty at the root.
  [[nodiscard]] std::string path() const {
    std::string path;
    for (std::size_t depth = 0; depth < open_count_; ++depth) {
      const JsonNode& container = document_.nodes_[open_[depth]];
      if (container.kind == JsonNode::Kind::kArray) {
        path += '[' + std::to_string(container.size - (depth + 1 < open_count_ ? 1 : 0)) + ']';
        continue;
      }
      const std::string_view name = depth + 1 < open_count_ ? document_.nodes_[open_[depth + 1]].name : name_;
      if (!name.empty()) path += (path.empty() ? "" : ".") + shown_member_name(name);
    }
    return path;
  }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code& error) { return open(JsonNode::Kind::kObject, error); }
  bool on_object_end(std::size_t, json::error_code&) { return close(); }
  bool on_array_begin(json::error_code& error) { return open(JsonNode::Kind::kArray, error); }
  bool on_array_end(std::size_t, json::error_code&) { return close(); }

  bool on_key_part(json::string_view part, std::size_t, json::error_code&) { return add_part(part); }
  bool on_key(json::string_view part, std::size_t, json::error_code&) {
    name_ = take_string(part);
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, json::error_code&) { return add_part(part); }
  bool on_string(json::string_view part, std::size_t, json::error_code& error) {
    return add(JsonNode::Kind::kString, take_string(part), error);
  }

  // The text is given in one piece, so no number comes in parts.
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t value, json::string_view text, json::error_code& error) {
    if (value < 0) return add_number(text, error);
    return on_uint64(static_cast<std::uint64_t>(value), text, error);
  }
  bool on_uint64(std::uint64_t value, json::string_view text, json::error_code& error) {
    return add(JsonNode::Kind::kUnsigned, {text.data(), text.size()}, error, value);
  }
  bool on_double(double, json::string_view text, json::error_code& error) {
    const std::optional<std::uint64_t> whole = whole_number({text.data(), text.size()});
    return whole ? on_uint64(*whole, text, error) : add_number(text, error);
  }
  bool on_bool(bool value, json::error_code& error) {
    return add(JsonNode::Kind::kBool, value ? "true" : "false", error);
  }
  bool on_null(json::error_code& error) { return add(JsonNode::Kind::kNull, {}, error); }

  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  bool add(JsonNode::Kind kind, std::string_view text, json::error_code& error, std::uint64_t integer = 0) {
    std::vector<JsonNode>& nodes = document_.nodes_;
    if (nodes.size() == most_values_) {
      too_long_ = true;
      error = json::make_error_code(json::error::array_too_large);
      return false;
    }
    if (open_count_ > 0) ++nodes[open_[open_count_ - 1]].size;
    nodes.push_back({.kind = kind,
                     .size = 0,
                     .end = static_cast<std::uint32_t>(nodes.size()) + 1,
                     .integer = integer,
                     .name = std::exchange(name_, {}),
                     .text = text});
    return true;
  }
  bool add_number(json::string_view text, json::error_code& error) {
    return add(JsonNode::Kind::kNumber, {text.data(), text.size()}, error);
  }

  bool open(JsonNode::Kind kind, json::error_code& error) {
    if (!add(kind, {}, error)) return false;
    FLINT_ASSERT(open_count_ < kMaxJsonDepth);
    open_[open_count_++] = static_cast<std::uint32_t>(document_.nodes_.size()) - 1;
    return true;
  }
  bool close() {
    document_.nodes_[open_[--open_count_]].end = static_cast<std::uint32_t>(document_.nodes_.size());
    return true;
  }

  bool add_part(json::string_view part) {
    std::string& unescaped = document_.unescaped_;
    if (unescaped.capacity() < text_.size()) unescaped.reserve(text_.size());
    if (part_begin_ == std::string::npos) part_begin_ = unescaped.size();
    unescaped.append(part.data(), part.size());
    return true;
  }
  std::string_view take_string(json::string_view last_part) {
    const std::string_view last(last_part.data(), last_part.size());
    if (part_begin_ == std::string::npos && is_within(last, text_)) return last;
    add_part(last_part);
    return std::string_view(document_.unescaped_).substr(std::exchange(part_begin_, std::string::npos));
  }

  JsonDocument& document_;
  std::string_view text_;
  const std::size_t most_values_;
  /// Of the member whose value comes next.
  std::string_view name_;
  std::size_t part_begin_ = std::string::npos;
  std::array<std::uint32_t, kMaxJsonDepth> open_{};
  std::size_t open_count_ = 0;
  bool too_long_ = false;
};

Status JsonDocument::parse(std::string_view text, std::string_view subject, std::size_t most_values) {
  json::basic_parser<Builder> parser(strict_options(), *this, text, most_values);
  json::error_code error;
  const std::size_t parsed = parser.write_some(false, text.data(), text.size(), error);
  if (!error && parsed == text.size()) return {};

  const auto invalid = [subject](const std::string& message) {
    return Status(Code::kInvalidArgument, std::string(subject) + message);
  };
  if (text.empty()) return invalid(" is empty, but must be JSON.");
  if (!error) return invalid(" continues after its JSON value, at byte " + std::to_string(parsed) + ".");
  if (parser.handler().too_long()) {
    return invalid(" contains more than " + std::to_string(most_values) + " JSON values.");
  }
  if (error == json::error::too_deep) {
    return invalid(" is nested more than " + std::to_string(kMaxJsonDepth) + " levels deep.");
  }
  const std::string path = parser.handler().path();
  const std::size_t not_utf8 = base::find_invalid_utf8(text);
  const bool is_utf8 = not_utf8 > parsed || not_utf8 == text.size();
  return invalid(" is not valid " + std::string(is_utf8 ? "JSON at byte " : "UTF-8 at byte ") +
                 std::to_string(is_utf8 ? parsed : not_utf8) + (path.empty() ? "" : ", in ") + path +
                 (is_utf8 ? ": " + error.message() : "") + ".");
}

std::string_view kind_name(const JsonNode& node) noexcept {
  switch (node.kind) {
    case JsonNode::Kind::kNull:
      return "null";
    case JsonNode::Kind::kBool:
      return "a boolean";
    case JsonNode::Kind::kUnsigned:
      return "an integer";
    case JsonNode::Kind::kNumber:
      return node.text.find_first_of(".eE") == std::string_view::npos ? "an integer" : "a number";
    case JsonNode::Kind::kString:
      return "a string";
    case JsonNode::Kind::kArray:
      return "an array";
    case JsonNode::Kind::kObject:
      return "an object";
  }
  base::assertion_failed("kind is one of Kind", __FILE__, __LINE__);
}

}  // namespace flint::api
