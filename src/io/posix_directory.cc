#include <dirent.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "io/file_system_kind.h"
#include "io/lock_text.h"
#include "io/posix_handle.h"

namespace flint::io {
namespace {

constexpr mode_t kPermissionBits = 0777;

class PosixDirectory final : public Directory {
 public:
  explicit PosixDirectory(std::shared_ptr<const DirectoryHandle> handle) : handle_(std::move(handle)) {}

  const std::string& path() const override { return handle_->path; }
  Result<std::unique_ptr<File>> open(std::string_view name, OpenFile how) override;
  Result<std::vector<std::string>> list() const override;
  Result<FileId> id_of(std::string_view name) const override;
  Status rename(std::string_view from, std::string_view to) override;
  Status remove(std::string_view name) override;
  Status sync() override;
  Result<std::unique_ptr<DirectoryLock>> lock(std::string_view name) override {
    return lock_posix_directory(handle_, name);
  }
  Result<std::unique_ptr<DirectoryLock>> lock_shared(std::string_view name) override {
    return lock_posix_directory_shared(handle_, name);
  }
  Result<std::string> read_lock_holder(std::string_view name) const override;
  Result<FileSystemKind> kind() const override;

 private:
  [[nodiscard]] int fd() const { return handle_->fd.get(); }

  std::shared_ptr<const DirectoryHandle> handle_;
};

int flags_of(OpenFile how) {
  switch (how) {
    case OpenFile::kRead:
      return O_RDONLY;
    case OpenFile::kReadWrite:
      return O_RDWR;
    case OpenFile::kCreateNew:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

Result<std::unique_ptr<File>> PosixDirectory::open(std::string_view name, OpenFile how) {
  Result<base::UniqueFd> file = open_regular_file(*handle_, name, flags_of(how));
  if (!file.ok()) return file.status();
  return make_posix_file(std::move(*file), handle_->path_of(name), handle_->mappable);
}

Result<std::vector<std::string>> PosixDirectory::list() const {
  // A descriptor of its own: readdir's position belongs to the open description, and callers may be many.
  base::UniqueFd own = open_at(fd(), ".", O_RDONLY | O_DIRECTORY);
  if (!own.valid()) return errno_status(errno, "list", path());
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(own.get()), ::closedir);
  if (stream == nullptr) return errno_status(errno, "list", path());
  static_cast<void>(own.release());  // closedir closes it

  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return errno_status(errno, "list", path());
  std::sort(names.begin(), names.end());
  return names;
}

/// Asks for nothing else than the id. A log looks at its segment after each sync, and a kernel that has told somebody
/// the times of a file gives its next change a time of its own: each sync then wrote the inode as well, and took 1.5
/// times as long (Linux 6.13 and later).
Result<FileId> PosixDirectory::id_of(std::string_view name) const {
  struct statx found {};
  if (::statx(fd(), std::string(name).c_str(), AT_SYMLINK_NOFOLLOW, STATX_INO, &found) == 0) {
    return FileId{::makedev(found.stx_dev_major, found.stx_dev_minor), found.stx_ino};
  }
  return errno_status(errno, "look at", handle_->path_of(name));
}

Status PosixDirectory::rename(std::string_view from, std::string_view to) {
  if (Status valid = validate_name(from); !valid.ok()) return valid;
  if (Status valid = validate_name(to); !valid.ok()) return valid;
  if (::renameat(fd(), std::string(from).c_str(), fd(), std::string(to).c_str()) == 0) return {};
  return errno_status(errno, "rename", handle_->path_of(from) + " to " + std::string(to));
}

Status PosixDirectory::remove(std::string_view name) {
  if (Status valid = validate_name(name); !valid.ok()) return valid;
  if (::unlinkat(fd(), std::string(name).c_str(), 0) == 0) return {};
  return errno_status(errno, "remove", handle_->path_of(name));
}

// fsync and not fdatasync: what is to be durable are the entries, and whether they are data of a directory is left to
// each file system.
Status PosixDirectory::sync() {
  if (retry_eintr([&] { return ::fsync(fd()); }) == 0) return {};
  return errno_status(errno, "sync the directory", path());
}

Result<std::string> PosixDirectory::read_lock_holder(std::string_view name) const {
  Result<base::UniqueFd> file = open_regular_file(*handle_, name, O_RDONLY);
  if (!file.ok()) return file.status();
  std::array<char, kMaxHolderBytes> buffer{};
  const ssize_t got = retry_eintr([&] { return ::pread(file->get(), buffer.data(), buffer.size(), 0); });
  if (got < 0) return errno_status(errno, "read", handle_->path_of(name));
  return printable_holder({buffer.data(), static_cast<std::size_t>(got)});
}

Result<FileSystemKind> PosixDirectory::kind() const {
  std::optional<MountedFileSystem> mounted = file_system_of(fd());
  if (!mounted) return errno_status(errno, "find out the file system of", path());
  struct stat status {};
  if (::fstat(fd(), &status) != 0) return errno_status(errno, "read the mode of", path());
  mounted->kind.permissions = status.st_mode & kPermissionBits;
  return mounted->kind;
}

}  // namespace

std::unique_ptr<Directory> make_posix_directory(std::shared_ptr<const DirectoryHandle> handle) {
  return std::make_unique<PosixDirectory>(std::move(handle));
}

}  // namespace flint::io
