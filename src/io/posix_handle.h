#pragma once

#include <fcntl.h>

#include <cerrno>
#include <memory>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "io/errors.h"
#include "io/file_system.h"

/// What the parts of the POSIX implementation share. Private to posix_*.cc.
namespace flint::io {

/// Calls again while a signal interrupts.
template <typename Call>
auto retry_eintr(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// openat with O_CLOEXEC, never 0, 1 or 2: in a process started without them, a stray print would write into the log.
/// Invalid and errno set on failure.
[[nodiscard]] base::UniqueFd open_at(int directory_fd, const std::string& name, int flags, mode_t mode = 0);

/// Whether a file that ends at `end` is longer than the process may write (RLIMIT_FSIZE). Asked before each call that
/// writes at or moves a file's end: the kernel would not only fail that call but also send SIGXFSZ, which ends a
/// process that did not prepare for it, and which a library has no business to block or ignore for its host.
[[nodiscard]] bool exceeds_file_size_limit(std::uint64_t end);

/// An open directory, shared by what was opened in it.
struct DirectoryHandle {
  base::UniqueFd fd;
  std::string path;
  bool mappable = false;  ///< What File::can_map() promises holds on its file system.

  [[nodiscard]] std::string path_of(std::string_view name) const { return join_path(path, name); }
};

/// A regular file inside the directory; `flags` are openat's, besides those that are always set. O_CREAT comes with
/// O_EXCL: the new file has mode 0600 whatever the umask, and belongs to the directory's owner also when root creates
/// it. A file that has other names (hard links) is not opened for writing: kPermission.
[[nodiscard]] Result<base::UniqueFd> open_regular_file(const DirectoryHandle& directory, std::string_view name,
                                                       int flags);

[[nodiscard]] std::unique_ptr<Directory> make_posix_directory(std::shared_ptr<const DirectoryHandle> handle);
[[nodiscard]] std::unique_ptr<File> make_posix_file(base::UniqueFd fd, std::string path, bool mappable);

[[nodiscard]] Result<std::unique_ptr<DirectoryLock>> lock_posix_directory(
    std::shared_ptr<const DirectoryHandle> directory, std::string_view name);
[[nodiscard]] Result<std::unique_ptr<DirectoryLock>> lock_posix_directory_shared(
    std::shared_ptr<const DirectoryHandle> directory, std::string_view name);

}  // namespace flint::io
