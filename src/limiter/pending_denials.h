#pragma once

#include <span>
#include <vector>

#include "limiter/keys.h"

namespace flint::limiter {

/// The denials that no record holds yet, of the keys that have some; and what limits in shadow mode would have denied.
/// Apart from the keys, most of which have none.
/// Threads: guarded by the owner's mutex.
class PendingDenials {
 public:
  struct Item {
    KeyEntry* entry = nullptr;
    /// None once a record has taken them along.
    Denials denials;
    /// No record takes these along: they have records of their own.
    Denials would_deny;
  };

  [[nodiscard]] Denials of(const KeyEntry& entry) const noexcept {
    return entry.pending_at == 0 ? Denials{} : items_[entry.pending_at - 1].denials;
  }
  [[nodiscard]] Denials would_deny_of(const KeyEntry& entry) const noexcept {
    return entry.pending_at == 0 ? Denials{} : items_[entry.pending_at - 1].would_deny;
  }
  void add(KeyEntry& entry, Units cost, WallTime at);
  void add_would_deny(KeyEntry& entry, Units cost, WallTime at);
  /// A record holds those of `entry`: they are returned, and pending no more.
  Denials take(KeyEntry& entry) noexcept {
    return entry.pending_at == 0 ? Denials{} : std::exchange(items_[entry.pending_at - 1].denials, Denials{});
  }

  /// Lets go of `entry`, which is about to be removed, and of what it has.
  void forget(KeyEntry& entry) noexcept;

  /// Lets go of the keys that have neither any more.
  void drop_taken();
  [[nodiscard]] bool empty() const noexcept { return items_.empty(); }
  /// At most `most` of them.
  [[nodiscard]] std::span<const Item> some(std::size_t most) const noexcept;
  /// Those that some() returned just now have nothing pending any more.
  void drop(std::size_t count);

 private:
  Item& item_of(KeyEntry& entry);

  /// Each entry knows its place, counted from 1.
  std::vector<Item> items_;
};

}  // namespace flint::limiter
