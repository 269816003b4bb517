#pragma once

#include <string>
#include <string_view>

#include "cli/environment.h"
#include "flint/status.h"

namespace flint::cli {

/// A buffered writer to a descriptor that detects when its output does not arrive.
class Output {
 public:
  /// Does not own `descriptor`.
  explicit Output(int descriptor) : descriptor_(descriptor) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// Drops `text` after a failure, and after the reader has gone.
  void write(std::string_view text);
  void flush();

  /// The first failure. A reader that has gone (`| head`) is not a failure: it has seen what it wanted.
  [[nodiscard]] Status status() const;
  /// Whether further output is lost.
  [[nodiscard]] bool broken() const { return error_ != 0; }

 private:
  int descriptor_;
  std::string buffer_;
  int error_ = 0;
};

/// Ensures that descriptors 0, 1 and 2 are open. Otherwise a file of a data directory could become one of them, and a
/// message would be written into it. A descriptor that was closed stays unwritable, so that writing to it fails.
void reserve_standard_descriptors();

/// Whether to colour output to `descriptor`: it is a terminal with colours, and NO_COLOR is not set.
[[nodiscard]] bool wants_colour(int descriptor, const Environment& environment);

}  // namespace flint::cli
