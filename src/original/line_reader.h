#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "io/file_system.h"

namespace flint::original {

struct Line {
  /// Without its end; valid until the next call.
  std::string_view text;
  /// From 1 on.
  std::uint64_t number = 0;
  /// Where it begins in the file.
  std::uint64_t offset = 0;
  /// False for a last line without an end.
  bool ended = true;
};

/// The lines of a file, one by one, in bounded memory.
class LineReader {
 public:
  /// No line that the original Flint wrote comes near it.
  static constexpr std::size_t kMostBytes = std::size_t{4} << 20;

  explicit LineReader(const io::File& file) : file_(file) {}

  /// Nothing after the last one. kInvalidArgument for a line of more than kMostBytes; line() is its number then.
  Result<std::optional<Line>> next();
  /// How many lines were begun.
  [[nodiscard]] std::uint64_t line() const noexcept { return number_; }

 private:
  const io::File& file_;
  /// What was read and not returned is from begin_ on.
  std::string buffer_;
  std::size_t begin_ = 0;
  std::uint64_t read_ = 0;
  std::uint64_t number_ = 0;
  bool at_end_ = false;
};

}  // namespace flint::original
