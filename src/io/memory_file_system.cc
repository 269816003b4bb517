#include "io/memory_file_system.h"

#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "io/errors.h"
#include "io/memory_tree.h"

namespace flint::io {
namespace {

class MemoryFile final : public File {
 public:
  MemoryFile(std::shared_ptr<MemoryInode> inode, std::string path, bool writable)
      : inode_(std::move(inode)), path_(std::move(path)), writable_(writable) {}
  ~MemoryFile() override {
    if (mapped_) inode_->content.unmap();
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  void show_as(std::string_view name) override { path_.replace(path_.rfind('/') + 1, std::string::npos, name); }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    return inode_->content.read(offset, out);
  }
  Result<std::uint64_t> next_data(std::uint64_t offset) const override { return inode_->content.next_data(offset); }
  Status write_at(std::uint64_t offset, std::span<const std::byte> data) override {
    if (!writable_) return errno_status(EBADF, "write", path_);
    if (!data.empty()) inode_->content.write(offset, data);
    return {};
  }
  Status allocate(std::uint64_t size) override {
    if (!writable_) return errno_status(EBADF, "reserve room for", path_);
    if (size > inode_->content.size()) inode_->content.resize(size);
    return {};
  }
  Status truncate(std::uint64_t size) override {
    if (!writable_) return errno_status(EBADF, "change the length of", path_);
    inode_->content.resize(size);
    return {};
  }
  Result<std::uint64_t> size() const override { return inode_->content.size(); }
  Result<FileId> id() const override { return memory_id(*inode_); }
  Status sync() override { return {}; }
  bool can_map() const override { return true; }
  Result<std::span<std::byte>> map(std::uint64_t size) override;

 private:
  std::shared_ptr<MemoryInode> inode_;
  std::string path_;
  bool writable_;
  bool mapped_ = false;
};

Result<std::span<std::byte>> MemoryFile::map(std::uint64_t size) {
  FLINT_ASSERT(!mapped_);
  if (!writable_) return errno_status(EACCES, "map", path_);
  const std::span<std::byte> mapping = inode_->content.map(size);
  if (mapping.empty()) return errno_status(ENOMEM, "map", path_);
  mapped_ = true;
  return mapping;
}

class MemoryDirectory final : public Directory {
 public:
  MemoryDirectory(std::shared_ptr<MemoryTree> tree, FileSystemKind kind)
      : tree_(std::move(tree)), kind_(std::move(kind)) {}

  const std::string& path() const override { return tree_->path(); }
  Result<std::unique_ptr<File>> open(std::string_view name, OpenFile how) override {
    Result<std::shared_ptr<MemoryInode>> inode = tree_->open(name, how);
    if (!inode.ok()) return inode.status();
    return std::unique_ptr<File>(
        std::make_unique<MemoryFile>(std::move(*inode), tree_->path_of(name), how != OpenFile::kRead));
  }
  Result<std::vector<std::string>> list() const override {
    std::vector<std::string> names;
    for (const auto& [name, inode] : tree_->names()) names.push_back(name);
    return names;
  }
  Result<FileId> id_of(std::string_view name) const override { return tree_->id_of(name); }
  Status rename(std::string_view from, std::string_view to) override { return tree_->rename(from, to); }
  Status remove(std::string_view name) override { return tree_->remove(name); }
  Status sync() override { return {}; }
  Result<std::unique_ptr<DirectoryLock>> lock(std::string_view name) override { return tree_->lock(name); }
  Result<std::unique_ptr<DirectoryLock>> lock_shared(std::string_view name) override {
    return tree_->lock_shared(name);
  }
  Result<std::string> read_lock_holder(std::string_view name) const override { return tree_->read_lock_holder(name); }
  Result<FileSystemKind> kind() const override { return kind_; }

 private:
  std::shared_ptr<MemoryTree> tree_;
  FileSystemKind kind_;
};

}  // namespace

MemoryDisk::MemoryDisk(std::string path, FileSystemKind kind)
    : tree_(std::make_shared<MemoryTree>(std::move(path))), kind_(std::move(kind)) {}

std::unique_ptr<Directory> MemoryDisk::directory() const { return std::make_unique<MemoryDirectory>(tree_, kind_); }

}  // namespace flint::io
