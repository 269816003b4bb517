#include "io/posix_file_system.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "io/file_system_kind.h"
#include "io/posix_handle.h"

namespace flint::io {
namespace {

constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kPermissionBits = 0777;

bool is_symbolic_link(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
}

bool is_there_but_no_directory(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && !S_ISDIR(status.st_mode);
}

Status explain_open_failure(int error, const std::string& path, OpenDirectory how) {
  if (error == ENOENT && is_symbolic_link(path)) {
    return {Code::kNotFound, "the data directory " + path +
                                 " is a symbolic link to something that does not exist. Create its target, or remove "
                                 "the link."};
  }
  if (error == ENOENT && how == OpenDirectory::kMustExist) {
    return {Code::kNotFound, "there is no data directory at " + path +
                                 ". Check the path; nothing was created. A directory is created by the first command "
                                 "that writes, such as adding a limit."};
  }
  if (error == ENOENT) {
    return {Code::kNotFound, "cannot create the data directory " + path +
                                 ": the directory above it does not exist. Create that first, or check the path."};
  }
  if (error == ENOTDIR && is_there_but_no_directory(path)) {
    return {Code::kPermission,
            path + " is a file, and the data directory must be a directory. Choose another path, or move the file."};
  }
  return errno_status(error, "open the data directory", path);
}

// Restores the mode where an unusual umask took bits away. Does not follow a link that another user may have put in the
// directory's place.
int restore_mode(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return errno;
  if ((status.st_mode & kPermissionBits) == kDirectoryMode) return 0;
  return ::fchmodat(AT_FDCWD, path.c_str(), kDirectoryMode, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
}

// Makes the entry of the data directory itself durable: files that are synced in a directory whose own entry is lost
// are lost with it. Also for a directory that exists, since the process that created it may have died before this.
Status sync_parent(const DirectoryHandle& directory, bool created) {
  const base::UniqueFd parent = open_at(directory.fd.get(), "..", O_RDONLY | O_DIRECTORY);
  if (!parent.valid()) {
    const bool not_ours = !created && (errno == EACCES || errno == EPERM);
    return not_ours ? Status() : errno_status(errno, "open the directory above", directory.path);
  }
  if (retry_eintr([&] { return ::fsync(parent.get()); }) == 0) return {};
  // On read-only storage nothing can be lost, and some file systems do not know this call.
  if (!created && (errno == EROFS || errno == EINVAL)) return {};
  return errno_status(errno, "sync the directory above", directory.path);
}

Result<base::UniqueFd> create_directory(const std::string& path, bool& created) {
  created = ::mkdir(path.c_str(), kDirectoryMode) == 0;
  if (!created && errno != EEXIST) {
    if (errno == ENOENT) return explain_open_failure(ENOENT, path, OpenDirectory::kCreate);
    return errno_status(errno, "create the data directory", path);
  }
  if (created) {
    if (const int error = restore_mode(path); error != 0) {
      return errno_status(error, "set the mode of the data directory", path);
    }
  }
  base::UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  if (!fd.valid()) return explain_open_failure(errno, path, OpenDirectory::kCreate);
  return fd;
}

}  // namespace

Result<std::unique_ptr<Directory>> open_posix_directory(std::string_view path, OpenDirectory how, MapFiles map) {
  std::string name(path);
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  if (name.empty() || name.find('\0') != std::string::npos) {
    return Status(Code::kInvalidArgument, "the path of the data directory is empty or contains a NUL. Give a path.");
  }
  bool created = false;
  base::UniqueFd fd = open_at(AT_FDCWD, name, O_RDONLY | O_DIRECTORY);
  if (!fd.valid()) {
    if (errno != ENOENT || how == OpenDirectory::kMustExist) return explain_open_failure(errno, name, how);
    Result<base::UniqueFd> made = create_directory(name, created);
    if (!made.ok()) return made.status();
    fd = std::move(*made);
  }
  auto handle = std::make_shared<DirectoryHandle>(DirectoryHandle{std::move(fd), name, false});
  if (how == OpenDirectory::kCreate) {
    if (Status durable = sync_parent(*handle, created); !durable.ok()) {
      if (created) ::rmdir(name.c_str());
      return durable;
    }
  }
  const std::optional<MountedFileSystem> mounted = file_system_of(handle->fd.get());
  if (!mounted) return errno_status(errno, "find out the file system of", name);
  handle->mappable = map == MapFiles::kWhereSafe && mounted->reserves_blocks;
  return make_posix_directory(std::move(handle));
}

}  // namespace flint::io
