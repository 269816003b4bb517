#pragma once

#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "io/file_system.h"

/// A directory and its files in memory: what the implementations in memory and with faults stand on.
namespace flint::io {

/// Copies bytes that another thread may be storing to through a map, as a read of a real file from the page cache does.
/// ThreadSanitizer is told that this race is meant.
void copy_shared(std::byte* to, const std::byte* shared, std::size_t size) noexcept;
[[nodiscard]] bool equal_shared(const std::byte* shared, const std::byte* other, std::size_t size) noexcept;

/// The bytes of one file. Bytes never move while a map of them is out: they stand in extents that are added at the end,
/// and a map is within the first. Threads: any; stores through a map are not synchronised, as on a real file.
class MemoryContent {
 public:
  [[nodiscard]] std::uint64_t size() const;
  /// Bytes read: fewer than out.size() only at the end.
  std::size_t read(std::uint64_t offset, std::span<std::byte> out) const;
  /// Whether all of `bytes` stand at `offset`.
  [[nodiscard]] bool equals(std::uint64_t offset, std::span<const std::byte> bytes) const;
  /// As File::next_data: pages of zeros are holes.
  [[nodiscard]] std::uint64_t next_data(std::uint64_t offset) const;
  /// Extends the file if needed.
  void write(std::uint64_t offset, std::span<const std::byte> data);
  /// What is added reads as zeros, also after it was cut off before.
  void resize(std::uint64_t size);

  /// [0, size) in one piece that stays where it is until unmap(). Empty when a smaller map is out.
  std::span<std::byte> map(std::uint64_t size);
  void unmap();

 private:
  struct Free {
    void operator()(std::byte* bytes) const noexcept { std::free(bytes); }
  };
  struct Extent {
    std::unique_ptr<std::byte[], Free> bytes;
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
  };

  static Extent make_extent(std::uint64_t begin, std::uint64_t size);
  void reserve(std::uint64_t size) FLINT_REQUIRES(mutex_);
  void join_extents() FLINT_REQUIRES(mutex_);
  /// Calls visit(bytes, count) for the pieces of [offset, offset + count) in order.
  template <typename Visit>
  void for_pieces(std::uint64_t offset, std::uint64_t count, Visit visit) const FLINT_REQUIRES(mutex_);

  mutable base::Mutex mutex_;
  std::vector<Extent> extents_ FLINT_GUARDED_BY(mutex_);
  std::uint64_t capacity_ FLINT_GUARDED_BY(mutex_) = 0;
  std::uint64_t size_ FLINT_GUARDED_BY(mutex_) = 0;
  int maps_ FLINT_GUARDED_BY(mutex_) = 0;
};

/// A file apart from its name: lives as long as a name or an open handle refers to it.
struct MemoryInode {
  MemoryContent content;
  // Guarded by the tree's mutex.
  bool locked_exclusively = false;
  int shared_locks = 0;
};

[[nodiscard]] inline FileId memory_id(const MemoryInode& inode) {
  return {.device = 0, .inode = reinterpret_cast<std::uintptr_t>(&inode)};
}

/// The names. Threads: any.
class MemoryTree : public std::enable_shared_from_this<MemoryTree> {
 public:
  using Names = std::map<std::string, std::shared_ptr<MemoryInode>, std::less<>>;

  explicit MemoryTree(std::string path, Names names = {}) : path_(std::move(path)), names_(std::move(names)) {}

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string path_of(std::string_view name) const;
  [[nodiscard]] Names names() const;

  Result<std::shared_ptr<MemoryInode>> open(std::string_view name, OpenFile how);
  /// Null when there is none.
  [[nodiscard]] std::shared_ptr<MemoryInode> find(std::string_view name) const;
  [[nodiscard]] Result<FileId> id_of(std::string_view name) const;
  Status rename(std::string_view from, std::string_view to);
  Status remove(std::string_view name);

  Result<std::unique_ptr<DirectoryLock>> lock(std::string_view name);
  Result<std::unique_ptr<DirectoryLock>> lock_shared(std::string_view name);
  Result<std::string> read_lock_holder(std::string_view name) const;

 private:
  friend class MemoryLock;

  std::string path_;
  mutable base::Mutex mutex_;
  Names names_ FLINT_GUARDED_BY(mutex_);
};

}  // namespace flint::io
