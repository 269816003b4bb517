#include "cli/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace flint::cli {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{64} << 10;

bool is_open(int descriptor) { return fcntl(descriptor, F_GETFD) != -1; }

}  // namespace

void Output::write(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() >= kBufferBytes) flush();
}

/// After the first failure the rest is dropped: the command still finishes its work and closes the directory, and
/// status() reports the failure in the end.
void Output::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty() && error_ == 0) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      error_ = errno;
    }
  }
  buffer_.clear();
}

Status Output::status() const {
  if (error_ == 0 || error_ == EPIPE) return {};
  return {Code::kIoError, "Cannot write the answer to standard output: " + std::generic_category().message(error_) +
                              ". What was asked for was done; only the answer is lost."};
}

void reserve_standard_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (is_open(descriptor)) continue;
    // open() takes the lowest free descriptor: this one. Read-only, so that writing to it is still an error.
    if (::open("/dev/null", O_RDONLY | O_NOCTTY) != descriptor) std::_Exit(3);
  }
}

bool wants_colour(int descriptor, const Environment& environment) {
  const std::optional<std::string> term = environment("TERM");
  return term && *term != "dumb" && !environment("NO_COLOR") && isatty(descriptor) == 1;
}

}  // namespace flint::cli
