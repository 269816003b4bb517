#include "io/lock_text.h"

#include <algorithm>

namespace flint::io {

// Any process that could lock the file may have written this text, and messages show it on a
// terminal: so no escape sequence in it survives.
std::string printable_holder(std::string_view content) {
  std::string text(content.substr(0, std::min(content.find('\0'), kMaxHolderBytes)));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  const auto is_control = [](char c) { return (c >= 0 && c < ' ' && c != '\n') || c == '\x7f'; };
  std::replace_if(text.begin(), text.end(), is_control, '?');
  return text;
}

Status held_elsewhere(std::string_view path) {
  return {Code::kDataDirLocked, "the data directory is in use: the lock " + std::string(path) +
                                    " is held. Stop the process that holds it, or use the directory through that "
                                    "process."};
}

Status lock_lost(std::string_view path) {
  return {Code::kStorageFailed, "the lock file " + std::string(path) +
                                    " was deleted or replaced while it was held, so another process may own the data "
                                    "directory. Leave the file alone, and open the directory again."};
}

}  // namespace flint::io
