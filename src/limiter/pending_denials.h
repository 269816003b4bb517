#pragma once

#include <span>
#include <vector>

#include "limiter/keys.h"

namespace flint::limiter {

/// The denials that no record holds yet, of the keys that have some. Apart from the keys, most of which have none.
/// Threads: guarded by the owner's mutex.
class PendingDenials {
 public:
  struct Item {
    KeyEntry* entry = nullptr;
    /// None once a record has taken them along.
    Denials denials;
  };

  [[nodiscard]] Denials of(const KeyEntry& entry) const noexcept {
    return entry.pending_at == 0 ? Denials{} : items_[entry.pending_at - 1].denials;
  }
  void add(KeyEntry& entry, Units cost, WallTime at);
  /// A record holds those of `entry`: they are returned, and pending no more.
  Denials take(KeyEntry& entry) noexcept {
    return entry.pending_at == 0 ? Denials{} : std::exchange(items_[entry.pending_at - 1].denials, Denials{});
  }

  /// Lets go of `entry`, which is about to be removed, and of what it has.
  void forget(KeyEntry& entry) noexcept;

  /// Lets go of the keys that have none any more.
  void drop_taken();
  [[nodiscard]] bool empty() const noexcept { return items_.empty(); }
  /// At most `most` of them.
  [[nodiscard]] std::span<const Item> some(std::size_t most) const noexcept;
  /// Those that some() returned just now have no denials pending any more.
  void drop(std::size_t count);

 private:
  /// Each entry knows its place, counted from 1.
  std::vector<Item> items_;
};

}  // namespace flint::limiter
