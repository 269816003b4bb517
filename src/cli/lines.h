#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "base/unique_fd.h"
#include "flint/status.h"

namespace flint::cli {

/// The longest key, escaped, and all other fields fit many times.
inline constexpr std::size_t kMaxLineBytes = 16 * 1024;

/// Lines of a file that may have no end.
class Lines {
 public:
  /// `path` may be `-`: standard input.
  explicit Lines(const std::string& path);

  /// Why there is nothing to read.
  [[nodiscard]] const Status& opened() const { return opened_; }
  /// As messages name the file.
  [[nodiscard]] const std::string& file() const { return file_; }

  /// False at the end, and after a failure. A line that is too long is cut off behind kMaxLineBytes.
  bool next(std::string& line);
  /// That of the line that next() gave; from 1.
  [[nodiscard]] std::size_t number() const { return number_; }
  /// What made reading fail, as a sentence; empty if nothing did.
  [[nodiscard]] std::string error() const;

 private:
  bool fill();

  const std::string file_;
  base::UniqueFd file_descriptor_;
  int descriptor_;
  Status opened_;
  std::array<char, 64 * 1024> buffer_{};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t number_ = 0;
  int error_ = 0;
};

/// Nothing stands in it.
[[nodiscard]] bool is_blank(const std::string& line) noexcept;

}  // namespace flint::cli
