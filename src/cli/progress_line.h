#pragma once

#include <string_view>

#include "cli/session.h"

namespace flint::cli {

/// How far something long has come, on a terminal, in one line that is erased afterwards. Redirected output stays
/// clean.
class ProgressLine {
 public:
  explicit ProgressLine(Session& session);
  ~ProgressLine() { erase(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// Shows `text` in place of what was shown.
  void show(std::string_view text);
  void erase();

 private:
  Session& session_;
  bool is_seen_;
  bool is_shown_ = false;
};

}  // namespace flint::cli
