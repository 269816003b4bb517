#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "io/fork_guard.h"
#include "io/lock_text.h"
#include "io/posix_handle.h"

/// flock(2): the kernel releases it when its holder dies, it belongs to the open description (so a second attempt by
/// the same process fails as well), and closing another descriptor of the file does not drop it as fcntl(2) locks do.
namespace flint::io {
namespace {

// How often the file may be replaced between opening and locking it before we call it interference.
constexpr int kAttempts = 16;

class PosixLock final : public DirectoryLock {
 public:
  PosixLock(std::shared_ptr<const DirectoryHandle> directory, std::string name, base::UniqueFd fd,
            const ForkExclusion& exclusion)
      : directory_(std::move(directory)), name_(std::move(name)), fd_(std::move(fd), exclusion) {}
  // Closing is not enough: a child that was forked just now may not have closed its copy yet, which holds the lock,
  // too.
  ~PosixLock() override {
    if (fd_.valid()) ::flock(fd_.get(), LOCK_UN);
  }
  PosixLock(const PosixLock&) = delete;
  PosixLock& operator=(const PosixLock&) = delete;

  [[nodiscard]] bool registered() const { return fd_.valid(); }
  Status describe_holder(std::string_view text) override;
  Status still_held() const override;

 private:
  [[nodiscard]] std::string path() const { return directory_->path_of(name_); }
  [[nodiscard]] Status belongs_to_parent() const {
    return {Code::kClosed, "the lock " + path() + " belongs to the parent of this process. Open the directory anew."};
  }

  std::shared_ptr<const DirectoryHandle> directory_;
  std::string name_;
  ParentOnlyFd fd_;
};

bool same_file(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

bool is_at_its_name(int fd, const DirectoryHandle& directory, const std::string& name) {
  struct stat held {};
  struct stat named {};
  return ::fstat(fd, &held) == 0 && ::fstatat(directory.fd.get(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         same_file(held, named);
}

// Written in place and not by rename: the lock belongs to this file, and a new one under its name would not be locked.
// A reader may see a mixture of two texts, which only a message shows. The new text is written before the rest is cut
// off, so that a full disk leaves the old text and not an empty file.
Status PosixLock::describe_holder(std::string_view text) {
  if (!fd_.valid()) return belongs_to_parent();
  if (exceeds_file_size_limit(text.size())) return errno_status(EFBIG, "write", path());
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t put = retry_eintr(
        [&] { return ::pwrite(fd_.get(), text.data() + done, text.size() - done, static_cast<off_t>(done)); });
    if (put < 0) return errno_status(errno, "write", path());
    done += static_cast<std::size_t>(put);
  }
  if (retry_eintr([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(text.size())); }) != 0) {
    return errno_status(errno, "change the length of", path());
  }
  return {};
}

Status PosixLock::still_held() const {
  if (!fd_.valid()) return belongs_to_parent();
  return is_at_its_name(fd_.get(), *directory_, name_) ? Status() : lock_lost(path());
}

// In two steps, so that an existing lock file keeps its mode and owner. Another process may create the file between the
// first step and the second, which then fails; the third finds it.
Result<base::UniqueFd> open_or_create(const DirectoryHandle& directory, std::string_view name) {
  Result<base::UniqueFd> file = open_regular_file(directory, name, O_RDWR);
  if (file.code() != Code::kNotFound) return file;
  Result<base::UniqueFd> created = open_regular_file(directory, name, O_RDWR | O_CREAT | O_EXCL);
  if (created.ok()) return created;
  file = open_regular_file(directory, name, O_RDWR);
  return file.code() == Code::kNotFound ? std::move(created) : std::move(file);
}

enum class Sharing : std::uint8_t { kExclusive, kShared };

// Between open and flock another program may replace the file: then this process would hold a lock on a file without a
// name, and the next one would lock the new file, so that both own the directory. The name is compared once the lock is
// held; from then on still_held() repeats that at each commit.
Result<std::unique_ptr<DirectoryLock>> acquire(std::shared_ptr<const DirectoryHandle> directory, std::string_view name,
                                               Sharing sharing) {
  const std::string path = directory->path_of(name);
  const int operation = (sharing == Sharing::kExclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
  const ForkExclusion exclusion;  // a child forked in between would hold the lock without knowing of it
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Result<base::UniqueFd> file = sharing == Sharing::kExclusive ? open_or_create(*directory, name)
                                                                 : open_regular_file(*directory, name, O_RDONLY);
    if (!file.ok()) return file.status();
    if (retry_eintr([&] { return ::flock(file->get(), operation); }) != 0) {
      return errno == EWOULDBLOCK ? held_elsewhere(path) : errno_status(errno, "lock", path);
    }
    if (!is_at_its_name(file->get(), *directory, std::string(name))) continue;
    auto lock = std::make_unique<PosixLock>(std::move(directory), std::string(name), std::move(*file), exclusion);
    if (lock->registered()) return std::unique_ptr<DirectoryLock>(std::move(lock));
    return Status(Code::kIoError,
                  "cannot lock " + path + ": this process holds too many data directories. Close some.");
  }
  return Status(Code::kIoError,
                "cannot lock " + path + ": another program keeps replacing the file. Find that program and stop it.");
}

}  // namespace

Result<std::unique_ptr<DirectoryLock>> lock_posix_directory(std::shared_ptr<const DirectoryHandle> directory,
                                                            std::string_view name) {
  return acquire(std::move(directory), name, Sharing::kExclusive);
}

Result<std::unique_ptr<DirectoryLock>> lock_posix_directory_shared(std::shared_ptr<const DirectoryHandle> directory,
                                                                   std::string_view name) {
  return acquire(std::move(directory), name, Sharing::kShared);
}

}  // namespace flint::io
