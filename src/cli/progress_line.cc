#include "cli/progress_line.h"

#include <unistd.h>

#include <string>

namespace flint::cli {

ProgressLine::ProgressLine(Session& session) : session_(session), is_seen_(::isatty(STDERR_FILENO) == 1) {}

void ProgressLine::show(std::string_view text) {
  if (!is_seen_) return;
  is_shown_ = true;
  session_.print_aside("\r" + std::string(text) + "\x1b[K");
}

void ProgressLine::erase() {
  if (is_shown_) session_.print_aside("\r\x1b[K");
  is_shown_ = false;
}

}  // namespace flint::cli
