#include "io/memory_tree.h"

#include <array>
#include <cerrno>
#include <utility>

#include "io/errors.h"
#include "io/lock_text.h"

namespace flint::io {

class MemoryLock final : public DirectoryLock {
 public:
  MemoryLock(std::shared_ptr<MemoryTree> tree, std::string name, std::shared_ptr<MemoryInode> inode, bool exclusive)
      : tree_(std::move(tree)), name_(std::move(name)), inode_(std::move(inode)), exclusive_(exclusive) {}
  ~MemoryLock() override {
    const base::MutexLock lock(tree_->mutex_);
    if (exclusive_) {
      inode_->locked_exclusively = false;
    } else {
      --inode_->shared_locks;
    }
  }
  MemoryLock(const MemoryLock&) = delete;
  MemoryLock& operator=(const MemoryLock&) = delete;

  Status describe_holder(std::string_view text) override {
    if (!exclusive_) return errno_status(EBADF, "write", tree_->path_of(name_));
    inode_->content.write(0, std::as_bytes(std::span(text)));
    inode_->content.resize(text.size());
    return {};
  }
  Status still_held() const override {
    return tree_->find(name_) == inode_ ? Status() : lock_lost(tree_->path_of(name_));
  }

 private:
  std::shared_ptr<MemoryTree> tree_;
  std::string name_;
  std::shared_ptr<MemoryInode> inode_;
  bool exclusive_;
};

std::string MemoryTree::path_of(std::string_view name) const { return join_path(path_, name); }

MemoryTree::Names MemoryTree::names() const {
  const base::MutexLock lock(mutex_);
  return names_;
}

std::shared_ptr<MemoryInode> MemoryTree::find(std::string_view name) const {
  const base::MutexLock lock(mutex_);
  const auto entry = names_.find(name);
  return entry == names_.end() ? nullptr : entry->second;
}

Result<std::shared_ptr<MemoryInode>> MemoryTree::open(std::string_view name, OpenFile how) {
  if (Status valid = validate_name(name); !valid.ok()) return valid;
  const base::MutexLock lock(mutex_);
  const auto entry = names_.find(name);
  if (how != OpenFile::kCreateNew) {
    if (entry == names_.end()) return errno_status(ENOENT, "open", path_of(name));
    return entry->second;
  }
  if (entry != names_.end()) return errno_status(EEXIST, "create", path_of(name));
  return names_.emplace(std::string(name), std::make_shared<MemoryInode>()).first->second;
}

Result<FileId> MemoryTree::id_of(std::string_view name) const {
  const std::shared_ptr<MemoryInode> inode = find(name);
  if (inode == nullptr) return errno_status(ENOENT, "look at", path_of(name));
  return memory_id(*inode);
}

Status MemoryTree::rename(std::string_view from, std::string_view to) {
  if (Status valid = validate_name(from); !valid.ok()) return valid;
  if (Status valid = validate_name(to); !valid.ok()) return valid;
  const base::MutexLock lock(mutex_);
  const auto entry = names_.find(from);
  if (entry == names_.end()) return errno_status(ENOENT, "rename", path_of(from) + " to " + std::string(to));
  if (from == to) return {};
  names_.insert_or_assign(std::string(to), entry->second);
  names_.erase(entry);
  return {};
}

// Only the name goes: open files hold their inode, so they can still be read and written, as on a real file system.
Status MemoryTree::remove(std::string_view name) {
  if (Status valid = validate_name(name); !valid.ok()) return valid;
  const base::MutexLock lock(mutex_);
  const auto entry = names_.find(name);
  if (entry == names_.end()) return errno_status(ENOENT, "remove", path_of(name));
  names_.erase(entry);
  return {};
}

// The lock belongs to the inode and not to the name, like flock: a lock file that is replaced can be locked again, and
// the first holder must notice it by still_held().
Result<std::unique_ptr<DirectoryLock>> MemoryTree::lock(std::string_view name) {
  if (Status valid = validate_name(name); !valid.ok()) return valid;
  const base::MutexLock lock(mutex_);
  auto& inode = names_[std::string(name)];
  if (inode == nullptr) inode = std::make_shared<MemoryInode>();
  if (inode->locked_exclusively || inode->shared_locks > 0) return held_elsewhere(path_of(name));
  inode->locked_exclusively = true;
  return std::unique_ptr<DirectoryLock>(
      std::make_unique<MemoryLock>(shared_from_this(), std::string(name), inode, true));
}

Result<std::unique_ptr<DirectoryLock>> MemoryTree::lock_shared(std::string_view name) {
  if (Status valid = validate_name(name); !valid.ok()) return valid;
  const base::MutexLock lock(mutex_);
  const auto entry = names_.find(name);
  if (entry == names_.end()) return errno_status(ENOENT, "open", path_of(name));
  if (entry->second->locked_exclusively) return held_elsewhere(path_of(name));
  ++entry->second->shared_locks;
  return std::unique_ptr<DirectoryLock>(
      std::make_unique<MemoryLock>(shared_from_this(), std::string(name), entry->second, false));
}

Result<std::string> MemoryTree::read_lock_holder(std::string_view name) const {
  if (Status valid = validate_name(name); !valid.ok()) return valid;
  const std::shared_ptr<MemoryInode> inode = find(name);
  if (inode == nullptr) return errno_status(ENOENT, "open", path_of(name));
  std::array<char, kMaxHolderBytes> buffer{};
  const std::size_t got = inode->content.read(0, std::as_writable_bytes(std::span(buffer)));
  return printable_holder({buffer.data(), got});
}

}  // namespace flint::io
