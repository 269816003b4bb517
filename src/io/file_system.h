#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flint/status.h"

/// The narrow door to the operating system's files. Everything that Flint reads or writes on disk passes through here.
/// Three implementations: POSIX (posix_file_system.h), in memory (memory_file_system.h) and faulty
/// (faulty_file_system.h, which loses, reorders and tears what was not synced, and fails the Nth call).
///
/// Names are single components inside one directory: no '/', not "." or "..", else kInvalidArgument. Symbolic links are
/// never followed.
/// Errors: kNotFound only for ENOENT; kDiskFull for ENOSPC, EDQUOT and EFBIG; kPermission for EACCES, EPERM, EROFS,
/// ENOTDIR, EISDIR and ELOOP; kIoError for the rest. Messages name the operation, the path and errno's text.
namespace flint::io {

enum class OpenFile : std::uint8_t { kRead, kReadWrite, kCreateNew };

/// What tells two files of one machine apart while either of them exists, whatever their names.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;

  friend bool operator==(const FileId&, const FileId&) = default;
};

/// A file, by position. Threads: one writer at a time; sync() may run beside writes and map stores.
class File {
 public:
  virtual ~File() = default;

  /// Messages name the file so from now on: one that is filled under a temporary name is known by its last one.
  virtual void show_as(std::string_view name) = 0;

  /// Reads up to out.size() bytes; fewer only at the end of the file.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const = 0;
  /// Where bytes that may not be zero begin, from `offset` on; the end of the file when there are none. Reads nothing:
  /// what is skipped are holes, of which a short file can have a terabyte. `offset` where holes are not known.
  [[nodiscard]] virtual Result<std::uint64_t> next_data(std::uint64_t offset) const = 0;
  /// Writes all of `data`, or fails; after a failure the bytes there are unknown.
  virtual Status write_at(std::uint64_t offset, std::span<const std::byte> data) = 0;
  /// Reserves blocks for [0, size) and makes the file at least that long; the new part reads as zeros.
  virtual Status allocate(std::uint64_t size) = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  [[nodiscard]] virtual Result<std::uint64_t> size() const = 0;
  [[nodiscard]] virtual Result<FileId> id() const = 0;
  /// fdatasync: contents and length are durable. Not the directory entry. A failure leaves the contents unknown for
  /// good.
  virtual Status sync() = 0;

  /// Whether stores through map() to allocated space cannot fail later for want of room: true on ext4, on tmpfs, and on
  /// XFS that was made without reflink. False where files can share blocks or blocks are placed at write-back (there
  /// only write_at reports a full disk), and where neither is known. Ask after allocate(): false from then on if the
  /// file system turned out to reserve nothing.
  [[nodiscard]] virtual bool can_map() const = 0;
  /// A writable shared view of [0, size); size at most the file's. What is stored there survives the process at once,
  /// and the machine after sync(). One mapping a file; valid as long as the File.
  virtual Result<std::span<std::byte>> map(std::uint64_t size) = 0;
};

/// Held until destroyed, and released by the kernel when its holder dies. A forked child does not hold it.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
  /// Replaces what read_lock_holder() tells others. Best effort for them, but a failure is reported. Exclusive locks
  /// only.
  virtual Status describe_holder(std::string_view text) = 0;
  /// Ok while the lock file at its name is still the one that is held; else kStorageFailed: another process may own
  /// the directory by now.
  virtual Status still_held() const = 0;
};

/// Where a directory is, and who may use it.
struct FileSystemKind {
  std::string name;        ///< "ext4", "tmpfs", "nfs", ...
  bool network = false;    ///< Locks and syncs may not mean what they say.
  bool volatile_ = false;  ///< Gone when the machine stops (tmpfs, ramfs).
  bool uncertain = false;  ///< Not known to keep what locks, syncs and renames promise (fuse, vfat, unknown ones).
  /// The directory's own: who may list and change it.
  std::uint32_t permissions = 0700;
};

/// A directory that stays the same one, whatever happens to its path. Threads: any.
class Directory {
 public:
  virtual ~Directory() = default;

  /// As the user named it: for messages only.
  [[nodiscard]] virtual const std::string& path() const = 0;
  /// Opens a regular file; kPermission when it is anything else. Only kCreateNew creates (0600), and it fails with
  /// kIoError if the name exists.
  virtual Result<std::unique_ptr<File>> open(std::string_view name, OpenFile how) = 0;
  /// All names, sorted, without "." and "..".
  [[nodiscard]] virtual Result<std::vector<std::string>> list() const = 0;
  /// Of what is at this name now. kNotFound.
  [[nodiscard]] virtual Result<FileId> id_of(std::string_view name) const = 0;
  /// Replaces `to` in one step. Durable after sync().
  virtual Status rename(std::string_view from, std::string_view to) = 0;
  virtual Status remove(std::string_view name) = 0;
  /// fsync: names created, renamed and removed so far are durable.
  virtual Status sync() = 0;

  /// kDataDirLocked when somebody else holds it (only when the kernel says exactly that). Creates the file if needed.
  virtual Result<std::unique_ptr<DirectoryLock>> lock(std::string_view name) = 0;
  /// A shared lock on an existing lock file, for readers: writers are kept out as long as it lives. kNotFound if there
  /// is no such file; kDataDirLocked as above. Writes nothing, and works on read-only storage.
  virtual Result<std::unique_ptr<DirectoryLock>> lock_shared(std::string_view name) = 0;
  /// What the holder said with describe_holder(), "" when it said nothing.
  [[nodiscard]] virtual Result<std::string> read_lock_holder(std::string_view name) const = 0;

  [[nodiscard]] virtual Result<FileSystemKind> kind() const = 0;
};

}  // namespace flint::io
