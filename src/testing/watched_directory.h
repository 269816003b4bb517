#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/file_system.h"

namespace flint::testing {

/// Another directory, which tells when a snapshot begins to be written: its position is settled by then, and none of
/// its entries is taken yet. What a test does at that moment, on the compacting thread, is beside the compaction.
class WatchedDirectory final : public io::Directory {
 public:
  /// `on_snapshot` is called once, and is empty then; it outlives this directory.
  WatchedDirectory(std::unique_ptr<io::Directory> directory, std::function<void()>& on_snapshot)
      : directory_(std::move(directory)), on_snapshot_(on_snapshot) {}

  [[nodiscard]] const std::string& path() const override { return directory_->path(); }
  Result<std::unique_ptr<io::File>> open(std::string_view name, io::OpenFile how) override {
    Result<std::unique_ptr<io::File>> file = directory_->open(name, how);
    if (file.ok() && how == io::OpenFile::kCreateNew && name.starts_with("snapshot-")) {
      if (const auto act = std::exchange(on_snapshot_, nullptr)) act();
    }
    return file;
  }
  [[nodiscard]] Result<std::vector<std::string>> list() const override { return directory_->list(); }
  [[nodiscard]] Result<io::FileId> id_of(std::string_view name) const override { return directory_->id_of(name); }
  Status rename(std::string_view from, std::string_view to) override { return directory_->rename(from, to); }
  Status remove(std::string_view name) override { return directory_->remove(name); }
  Status sync() override { return directory_->sync(); }
  Result<std::unique_ptr<io::DirectoryLock>> lock(std::string_view name) override { return directory_->lock(name); }
  Result<std::unique_ptr<io::DirectoryLock>> lock_shared(std::string_view name) override {
    return directory_->lock_shared(name);
  }
  [[nodiscard]] Result<std::string> read_lock_holder(std::string_view name) const override {
    return directory_->read_lock_holder(name);
  }
  [[nodiscard]] Result<io::FileSystemKind> kind() const override { return directory_->kind(); }

 private:
  std::unique_ptr<io::Directory> directory_;
  std::function<void()>& on_snapshot_;
};

}  // namespace flint::testing
