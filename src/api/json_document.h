#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flint/status.h"

/// Reading a request's JSON: strictly, and without a tree of allocations.
namespace flint::api {

inline constexpr std::size_t kMaxJsonDepth = 8;
/// No valid request comes near it: 128 items of a check-all are fewer than 400 values.
inline constexpr std::size_t kMaxJsonValues = 4096;
/// Nor a batch of 1,000 checks near this.
inline constexpr std::size_t kMaxBatchJsonValues = 64 * 1024;
/// Nor kMaxLimitsAtOnce limits, with all of their fields, near this.
inline constexpr std::size_t kMaxLimitsJsonValues = 128 * 1024;

/// A value of a document. Copy freely; valid until the document is parsed again.
struct JsonNode {
  enum class Kind : std::uint8_t {
    kNull,
    kBool,
    /// A whole number from 0 to 2^64 - 1, however it is written (`20`, `20.0`, `2e1`): `integer` is its value.
    kUnsigned,
    /// Any other number.
    kNumber,
    kString,
    kArray,
    kObject,
  };
  Kind kind = Kind::kNull;
  /// Of an array or object: how many elements or members.
  std::uint32_t size = 0;
  /// Of an array or object: the index of the first node behind it and all that is in it; else of the next node.
  std::uint32_t end = 0;
  std::uint64_t integer = 0;
  /// What a member of an object is called.
  std::string_view name;
  /// A string's value, unescaped; a number as it was written; `true` or `false`.
  std::string_view text;
};

/// One whole JSON text as a flat list of its values, in the order in which they begin: the children of a container
/// follow it. Repeated member names stay, so that the reader can refuse them.
///
/// Reusing a document reuses its memory.
class JsonDocument {
 public:
  /// Strict RFC 8259: valid UTF-8, no lone surrogates, nothing behind the value, at most kMaxJsonDepth deep and
  /// `most_values` long. kInvalidArgument says what is wrong, and in which field and at which byte. `text` must
  /// outlive what is read from the document. `subject` is what messages call it.
  Status parse(std::string_view text, std::string_view subject = "The body", std::size_t most_values = kMaxJsonValues);

  /// Index 0 is the root.
  [[nodiscard]] const JsonNode& operator[](std::size_t index) const { return nodes_[index]; }
  [[nodiscard]] const JsonNode& root() const { return nodes_.front(); }
  /// Of a node of this document, which is a container that is not empty.
  [[nodiscard]] const JsonNode* first_child(const JsonNode& node) const { return &node + 1; }
  [[nodiscard]] const JsonNode* sibling(const JsonNode& node) const { return nodes_.data() + node.end; }

 private:
  class Builder;

  std::vector<JsonNode> nodes_;
  /// Strings that had escapes; reserved before the first one, so that views into it stay.
  std::string unescaped_;
};

/// `null`, `a boolean`, `an integer`, `a number`, `a string`, `an array`, `an object`.
[[nodiscard]] std::string_view kind_name(const JsonNode& node) noexcept;

}  // namespace flint::api
