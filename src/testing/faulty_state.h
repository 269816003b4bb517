#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "io/memory_tree.h"
#include "testing/dice.h"
#include "testing/faults.h"
#include "testing/stored_file.h"
#include "testing/stored_names.h"

/// What the handles of one faulty disk share. Private to faulty_*.cc.
namespace flint::testing {

/// A file: what programs see of it, and what the disk holds.
struct FaultyInode {
  std::shared_ptr<io::MemoryInode> seen;
  StoredFile stored;
  int open_handles = 0;
  bool write_back_failed = false;                                        ///< The next sync says so.
  PageImage at_death;                                                    ///< Set when the process died.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> unreadable = {};  ///< From, to: as far as the file reaches.
};

/// One call: whether it fails, and how much of it is done all the same.
class Attempt {
 public:
  Attempt(Call call, int error, bool dies, std::optional<std::uint64_t> partly)
      : call_(call), error_(error), dies_(dies) {
    if (partly) dice_.emplace(*partly);
  }

  [[nodiscard]] Call call() const { return call_; }
  [[nodiscard]] int error() const { return error_; }
  [[nodiscard]] bool ok() const { return error_ == 0; }
  [[nodiscard]] bool dies() const { return dies_; }
  /// For what is done or not.
  [[nodiscard]] bool takes_effect() { return ok() || (dice_ && dice_->chance(50)); }
  /// For what can be done in part: how much of `size`.
  [[nodiscard]] std::size_t part_of(std::size_t size) {
    if (ok()) return size;
    return dice_ ? static_cast<std::size_t>(dice_->below(size + 1)) : 0;
  }
  /// For syncs. Null: nothing of it.
  [[nodiscard]] Dice* dice() { return dice_ ? &*dice_ : nullptr; }

 private:
  Call call_;
  int error_;
  bool dies_;
  std::optional<Dice> dice_;
};

class FaultyState {
 public:
  using Names = io::MemoryTree::Names;

  FaultyState(FaultyOptions options, Names names, std::vector<std::shared_ptr<FaultyInode>> inodes);

  // Set once.
  const FaultyOptions options;
  const std::shared_ptr<io::MemoryTree> tree;

  base::Mutex mutex;

  /// What becomes of the next call; it is counted. The caller then does as much of it as the attempt says, and ends
  /// with finish().
  [[nodiscard]] Attempt begin(Call call, std::string_view name) FLINT_REQUIRES(mutex);
  [[nodiscard]] Status finish(const Attempt& attempt, std::string_view name) FLINT_REQUIRES(mutex);
  /// begin() and finish() of a call that reads.
  [[nodiscard]] Status check_read(Call call, std::string_view name) FLINT_REQUIRES(mutex);

  /// Of a new file: nothing of it is on the disk.
  void track(const std::shared_ptr<io::MemoryInode>& seen) FLINT_REQUIRES(mutex);
  /// Of a file of this disk.
  [[nodiscard]] const std::shared_ptr<FaultyInode>& inode_of(const std::shared_ptr<io::MemoryInode>& seen) const
      FLINT_REQUIRES(mutex);
  /// The file and all names are on the disk as they are seen.
  void make_durable(const std::shared_ptr<io::MemoryInode>& seen) FLINT_REQUIRES(mutex);
  /// How many of `size` bytes at `offset` there is room for.
  [[nodiscard]] std::uint64_t room_at(const FaultyInode& inode, std::uint64_t offset, std::uint64_t size)
      FLINT_REQUIRES(mutex);
  [[nodiscard]] std::uint64_t used_bytes() const FLINT_REQUIRES(mutex);
  void fail_write_back(Dice& dice) FLINT_REQUIRES(mutex);
  void forget_clean_pages(Dice& dice) FLINT_REQUIRES(mutex);
  [[nodiscard]] std::shared_ptr<FaultyState> crash(std::uint64_t seed, CrashPolicy policy) const FLINT_REQUIRES(mutex);

  StoredNames names FLINT_GUARDED_BY(mutex);
  std::vector<CallRecord> calls FLINT_GUARDED_BY(mutex);
  std::map<std::uint64_t, Fault> failing_calls FLINT_GUARDED_BY(mutex);
  std::map<Call, Fault> failing_kinds FLINT_GUARDED_BY(mutex);
  std::optional<std::pair<std::uint64_t, Fault>> death FLINT_GUARDED_BY(mutex);
  bool dead FLINT_GUARDED_BY(mutex) = false;
  std::optional<std::uint64_t> capacity FLINT_GUARDED_BY(mutex);
  std::optional<Dice> write_back_dice FLINT_GUARDED_BY(mutex);

 private:
  void write_back() FLINT_REQUIRES(mutex);
  void drop_forgotten_inodes() FLINT_REQUIRES(mutex);
  [[nodiscard]] Names names_after(Dice& dice, CrashPolicy policy) const FLINT_REQUIRES(mutex);
  [[nodiscard]] PageImage content_after(const FaultyInode& inode, Dice& dice, CrashPolicy policy) const
      FLINT_REQUIRES(mutex);

  /// In the order they were made, so that the dice fall the same way in each run.
  std::vector<std::shared_ptr<FaultyInode>> inodes_ FLINT_GUARDED_BY(mutex);
};

[[nodiscard]] std::unique_ptr<io::Directory> make_faulty_directory(std::shared_ptr<FaultyState> state);

}  // namespace flint::testing
