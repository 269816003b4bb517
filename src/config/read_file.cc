#include "config/read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "base/unique_fd.h"

namespace flint::config {
namespace {

Code code_of(int error) noexcept {
  const bool is_the_name = error == ENOENT || error == ENOTDIR || error == EACCES || error == EPERM || error == ELOOP ||
                           error == ENAMETOOLONG || error == EISDIR;
  return is_the_name ? Code::kInvalidArgument : Code::kIoError;
}

Status failed(const std::string& path, int error) {
  return {code_of(error), file_name(path) + " cannot be read: " + std::generic_category().message(error) + "."};
}

}  // namespace

std::string file_name(const std::string& path) { return path == "-" ? "standard input" : path; }

Result<std::string> read_file(const std::string& path) {
  base::UniqueFd opened;
  int from = STDIN_FILENO;
  if (path != "-") {
    opened = base::UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!opened.valid()) return failed(path, errno);
    from = opened.get();
  }
  struct stat status {};
  if (::fstat(from, &status) != 0) return failed(path, errno);
  if (S_ISDIR(status.st_mode)) return Status(Code::kInvalidArgument, file_name(path) + " is a directory, not a file.");
  std::string text;
  for (std::array<char, 65536> some{};;) {
    const ssize_t got = ::read(from, some.data(), some.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(path, errno);
    if (got == 0) return text;
    text.append(some.data(), static_cast<std::size_t>(got));
    if (text.size() > kMaxFileBytes) {
      return Status(Code::kInvalidArgument,
                    file_name(path) + " is larger than " + std::to_string(kMaxFileBytes >> 20) + " MiB.");
    }
  }
}

}  // namespace flint::config
