#include "cli/lines.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>

#include "config/config_file.h"
#include "config/read_file.h"

namespace flint::cli {

Lines::Lines(const std::string& path) : file_(config::file_name(path)), descriptor_(STDIN_FILENO) {
  if (path == "-") return;
  file_descriptor_ = base::UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  descriptor_ = file_descriptor_.get();
  if (file_descriptor_.valid()) return;
  opened_ = {Code::kInvalidArgument, file_ + " cannot be read: " + std::generic_category().message(errno) + "."};
}

bool Lines::next(std::string& line) {
  line.clear();
  bool any = false;
  while (begin_ < end_ || fill()) {
    if (!any) ++number_;
    any = true;
    const std::string_view there(&buffer_[begin_], end_ - begin_);
    const std::size_t size = std::min(there.find('\n'), there.size());
    if (line.size() <= kMaxLineBytes) line.append(there.substr(0, size));
    begin_ += size;
    if (size == there.size()) continue;
    ++begin_;
    return true;
  }
  return any;
}

std::string Lines::error() const {
  return error_ == 0 ? "" : "This cannot be read: " + std::generic_category().message(error_) + ".";
}

bool Lines::fill() {
  ssize_t got = 0;
  do {
    got = ::read(descriptor_, buffer_.data(), buffer_.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) error_ = errno;
  begin_ = 0;
  end_ = got > 0 ? static_cast<std::size_t>(got) : 0;
  return got > 0;
}

bool is_blank(const std::string& line) noexcept { return line.find_first_not_of(" \t\r") == std::string::npos; }

}  // namespace flint::cli
