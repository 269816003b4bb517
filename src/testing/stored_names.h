#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/memory_tree.h"
#include "testing/dice.h"

namespace flint::testing {

/// Which names the disk holds, apart from those that programs see: the ones at the last sync of the directory, and the
/// changes since.
class StoredNames {
 public:
  using Names = io::MemoryTree::Names;
  using Inode = std::shared_ptr<io::MemoryInode>;

  StoredNames() = default;
  /// On the disk, all of them.
  explicit StoredNames(Names names) : durable_(std::move(names)) {}

  void created(std::string_view name, const Inode& inode);
  void renamed(std::string_view from, std::string_view to, const Inode& inode);
  void removed(std::string_view name, const Inode& inode);

  void sync();
  /// None of the changes will be written. With dice, some of them were.
  void sync_failed(Dice* some);
  /// Some of the first changes are written, as a journal does at any time.
  void write_back(Dice& dice);

  /// What a machine finds that lost power now: each change was written or not, whatever became of the others. A file
  /// that was renamed has one of its names.
  [[nodiscard]] Names after_power_loss(Dice& dice) const;
  [[nodiscard]] const Names& durable() const { return durable_; }

 private:
  /// `from` is empty for a new name, `to` for a removal.
  struct Change {
    std::string from;
    std::string to;
    Inode inode;
  };

  static void apply(const Change& change, Names& names);

  Names durable_;
  std::vector<Change> pending_;
};

}  // namespace flint::testing
