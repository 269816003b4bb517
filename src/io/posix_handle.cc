#include "io/posix_handle.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace flint::io {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kPermissionBits = 0777;

/// Without this, a single command run by root leaves files that the directory's owner cannot open. By descriptor, so
/// that it changes the file that was just created and not another one under its name. Where root lacks the privilege
/// (containers, storage without owners), the file stays root's.
void give_to_owner_of(int directory_fd, int fd, const struct stat& file) {
  struct stat directory {};
  if (::geteuid() != 0 || ::fstat(directory_fd, &directory) != 0) return;
  if (directory.st_uid == file.st_uid && directory.st_gid == file.st_gid) return;
  [[maybe_unused]] const int given = ::fchown(fd, directory.st_uid, directory.st_gid);
}

}  // namespace

base::UniqueFd open_at(int directory_fd, const std::string& name, int flags, mode_t mode) {
  base::UniqueFd fd(retry_eintr([&] { return ::openat(directory_fd, name.c_str(), flags | O_CLOEXEC, mode); }));
  if (!fd.valid() || fd.get() > STDERR_FILENO) return fd;
  base::UniqueFd higher(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  const int error = errno;
  fd.reset();
  errno = error;
  return higher;
}

bool exceeds_file_size_limit(std::uint64_t end) {
  struct rlimit limit {};
  return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && end > limit.rlim_cur;
}

/// Flint may run as root in a directory that another user can write to, so nothing under the name is trusted: symbolic
/// links are not followed, FIFOs and devices are refused, and a hard link is not opened for writing, since the write
/// would change a file outside the directory. What was opened is judged by its descriptor, because the name may change
/// in between.
Result<base::UniqueFd> open_regular_file(const DirectoryHandle& directory, std::string_view name, int flags) {
  if (Status valid = validate_name(name); !valid.ok()) return valid;
  const std::string entry(name);
  const bool create = (flags & O_CREAT) != 0;
  const bool write = (flags & O_ACCMODE) != O_RDONLY;
  const char* const operation = create ? "create" : "open";
  // O_NONBLOCK: a FIFO under the name must not make us wait for its other end.
  base::UniqueFd fd = open_at(directory.fd.get(), entry, flags | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, kFileMode);
  const int error = errno;
  struct stat status {};
  const bool known = fd.valid() ? ::fstat(fd.get(), &status) == 0
                                : ::fstatat(directory.fd.get(), entry.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
  if (known && !S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode) && (fd.valid() || error != EEXIST)) {
    return Status(Code::kPermission, "cannot " + std::string(operation) + " " + directory.path_of(name) +
                                         ": it is not a regular file. Move it away.");
  }
  if (!fd.valid()) return errno_status(error, operation, directory.path_of(name));
  if (!known) return errno_status(errno, operation, directory.path_of(name));
  if (write && status.st_nlink > 1) {
    return Status(Code::kPermission, "cannot " + std::string(operation) + " " + directory.path_of(name) +
                                         ": the file has other names (hard links), and writing to it would change it "
                                         "under all of them. Replace it by a copy of its own.");
  }
  if (create) give_to_owner_of(directory.fd.get(), fd.get(), status);
  if (create && (status.st_mode & kPermissionBits) != kFileMode && ::fchmod(fd.get(), kFileMode) != 0) {
    return errno_status(errno, "set the mode of", directory.path_of(name));
  }
  return fd;
}

}  // namespace flint::io
