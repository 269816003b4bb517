#pragma once

#include <string>
#include <string_view>

#include "cli/environment.h"
#include "flint/status.h"

namespace flint::cli {

/// A buffered writer on a descriptor that notices when what it writes does not arrive.
class Output {
 public:
  /// Does not own `descriptor`.
  explicit Output(int descriptor) : descriptor_(descriptor) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// After a failure, and after the reader has gone, drops what it is given.
  void write(std::string_view text);
  void flush();

  /// The first failure. A reader that has gone (`| head`) is none: it has seen what it wanted.
  [[nodiscard]] Status status() const;
  /// Whether nobody will see what is written from here on.
  [[nodiscard]] bool broken() const { return error_ != 0; }

 private:
  int descriptor_;
  std::string buffer_;
  int error_ = 0;
};

/// Makes sure that descriptors 0, 1 and 2 are taken, so that no file of a data directory can become one of them and
/// have a message written into it. What was closed stays unwritable, so that writing there fails.
void reserve_standard_descriptors();

/// Whether to colour what goes to `descriptor`: a terminal that can, and no NO_COLOR.
[[nodiscard]] bool wants_colour(int descriptor, const Environment& environment);

}  // namespace flint::cli
