#pragma once

#include <cstddef>
#include <set>
#include <string_view>
#include <vector>

#include "limiter/keys.h"

namespace flint::limiter {

/// The keys of a table in byte order: makes a page of a listing cost what the page holds, not what the table does.
///
/// Apart from the table, and brought up to date by whoever lists, under a mutex that no check ever takes: at a million
/// keys the order takes three quarters of the time of an open, and most processes never list. Reads nothing of an entry
/// but its key, which never changes. Threads: guarded by the owner's mutex.
class KeyOrder {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  /// The entry stays where it is, and is not in here yet.
  void add(const KeyEntry& entry) { entries_.insert(&entry); }
  /// Up to `most` entries that start with `prefix`, from the first one after `from` (not before it, if `inclusive`).
  [[nodiscard]] std::vector<const KeyEntry*> page(std::string_view prefix, std::string_view from, bool inclusive,
                                                  std::size_t most) const;

 private:
  struct ByKey {
    using is_transparent = void;
    bool operator()(const KeyEntry* a, const KeyEntry* b) const noexcept { return a->key.view() < b->key.view(); }
    bool operator()(const KeyEntry* a, std::string_view b) const noexcept { return a->key.view() < b; }
    bool operator()(std::string_view a, const KeyEntry* b) const noexcept { return a < b->key.view(); }
  };

  std::set<const KeyEntry*, ByKey> entries_;
};

}  // namespace flint::limiter
