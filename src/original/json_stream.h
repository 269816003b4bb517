#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "flint/status.h"

namespace flint::original {

/// A value that is no object or array.
struct Scalar {
  enum class Kind : std::uint8_t { kNull, kBool, kNumber, kString };
  Kind kind = Kind::kNull;
  /// A string's value, or a number as it was written.
  std::string_view text;
};

/// Where a value is: the names of the members that lead to it, with "" for an element of an array.
using JsonPath = std::vector<std::string>;
/// `state.buckets.api:user-42.tokens`, for messages.
[[nodiscard]] std::string shown_path(const JsonPath& path);

/// Is told what a JSON text holds, while it is read. A failed Status ends the reading.
class JsonSink {
 public:
  virtual ~JsonSink() = default;
  /// An object or array begins; `path` leads to it. Never told of the root.
  virtual Status begin(const JsonPath& path, bool is_object) = 0;
  virtual Status value(const JsonPath& path, const Scalar& scalar) = 0;
  /// Whether the string at `path` is so long that it is to be told in pieces, with piece() only.
  [[nodiscard]] virtual bool in_pieces(const JsonPath& path) const = 0;
  virtual Status piece(std::string_view text) = 0;
};

/// Reads a JSON text piece by piece: a file of any size in little memory. The root must be an object.
class JsonStream {
 public:
  explicit JsonStream(JsonSink& sink);
  ~JsonStream();
  JsonStream(const JsonStream&) = delete;
  JsonStream& operator=(const JsonStream&) = delete;

  /// kInvalidArgument: it is no JSON, or what the sink said. read() is how much of `text` was read then.
  Status write(std::string_view text);
  /// The text is over; kInvalidArgument when it is not whole.
  Status finish();
  [[nodiscard]] std::size_t read() const noexcept { return read_; }

 private:
  class Handler;
  struct Parser;

  [[nodiscard]] Status outcome() const;

  std::unique_ptr<Parser> parser_;
  std::size_t read_ = 0;
};

}  // namespace flint::original
