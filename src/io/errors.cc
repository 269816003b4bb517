#include "io/errors.h"

#include <array>
#include <cerrno>
#include <cstring>

namespace flint::io {
namespace {

constexpr std::size_t kMaxNameBytes = 255;  // NAME_MAX of the file systems in question

// strerror_r comes in two forms: GNU's returns the text, POSIX's fills the buffer. Overloads pick what is there.
[[maybe_unused]] std::string text_of(const char* text, const char* /*buffer*/) { return text; }
[[maybe_unused]] std::string text_of(int /*result*/, const char* buffer) { return buffer; }

std::string describe(int error) {
  std::array<char, 128> buffer{};
  return text_of(::strerror_r(error, buffer.data(), buffer.size()), buffer.data());
}

std::string_view advice(int error) {
  switch (error) {
    case ENOSPC:
      return "Make room on the device, then try again.";
    case EDQUOT:
      return "Make room within the disk quota, or raise it, then try again.";
    case EFBIG:
      return "Raise the file-size limit (ulimit -f), then try again.";
    case EACCES:
    case EPERM:
      return "Run as the owner of the data directory, or give this user read and write permission.";
    case EROFS:
      return "The file system is read-only: make it writable, or choose another directory.";
    case ELOOP:
      return "It is a symbolic link, which is not followed: replace it by the file itself.";
    case ENOTDIR:
      return "There is a file where a directory is needed: choose another path.";
    case EISDIR:
      return "There is a directory where a file is needed: move it away.";
    case EEXIST:
      return "Something with that name already exists: move it away.";
    case EMFILE:
      return "Raise this process's limit of open files (ulimit -n).";
    case ENFILE:
      return "The whole system has too many open files: close some, or raise fs.file-max.";
    case EIO:
      return "Check the device and the kernel's log.";
    default:
      return {};
  }
}

}  // namespace

// Codes say what a caller can do. A quota and the file-size limit are full disks to it: the call may work later.
// Whatever needs a person (rights, a read-only mount, something of another kind under the name) is kPermission.
Code code_for_errno(int error) noexcept {
  switch (error) {
    case ENOENT:
      return Code::kNotFound;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return Code::kDiskFull;
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
      return Code::kPermission;
    default:
      return Code::kIoError;
  }
}

Status errno_status(int error, std::string_view operation, std::string_view path) {
  std::string message = "cannot ";
  message.append(operation).append(" ").append(path).append(": ").append(describe(error)).append(".");
  if (const std::string_view what_to_do = advice(error); !what_to_do.empty()) message.append(" ").append(what_to_do);
  if (error == EIO && operation == "read") message.append(" `flint doctor --repair` keeps what can still be read.");
  return {code_for_errno(error), std::move(message)};
}

Status validate_name(std::string_view name) {
  const bool inside = !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
                      name.find('\0') == std::string_view::npos;
  if (inside && name.size() <= kMaxNameBytes) return {};
  return {Code::kInvalidArgument, "\"" + std::string(name.substr(0, kMaxNameBytes)) +
                                      "\" is not the name of a file inside the data directory."};
}

std::string join_path(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (path.empty() || path.back() != '/') path.push_back('/');
  return path.append(name);
}

}  // namespace flint::io
