#pragma once

#include <cstddef>
#include <set>
#include <string_view>
#include <vector>

#include "limiter/keys.h"

namespace flint::limiter {

/// What happened to the names of a table since a KeyOrder last looked: noted by whoever changes the table, where
/// somebody wants to know. Threads: guarded by the table's mutex.
class NameChanges {
 public:
  struct Change {
    KeyName name;
    bool is_there = false;
  };

  void added(std::string_view name) {
    if (wanted_) note(name, true);
  }
  void removed(std::string_view name) {
    if (wanted_) note(name, false);
  }

  /// What was noted since the last call, in order. `complete` becomes false when that is not all: nobody had asked for
  /// it, or not for long. From here on it is noted.
  [[nodiscard]] std::vector<Change> take(bool& complete);

 private:
  /// Where nobody lists keys any more, noting ends.
  static constexpr std::size_t kMost = 64 * 1024;

  void note(std::string_view name, bool is_there);

  bool wanted_ = false;
  std::vector<Change> changes_;
};

/// The names of a table in byte order: makes a page of a listing cost what the page holds, not what the table does.
///
/// Apart from the table, with names of its own, and brought up to date by whoever lists, under a mutex that no check
/// ever takes: at a million keys the order takes three quarters of the time of an open, and most processes never list.
/// Threads: guarded by the owner's mutex.
class KeyOrder {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return names_.size(); }
  void clear() noexcept { names_.clear(); }
  void apply(std::vector<NameChanges::Change> changes);
  /// Up to `most` names that start with `prefix`, from the first one after `from` (not before it, if `inclusive`).
  /// Valid until the order changes.
  [[nodiscard]] std::vector<std::string_view> page(std::string_view prefix, std::string_view from, bool inclusive,
                                                   std::size_t most) const;

 private:
  struct ByName {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const noexcept { return a < b; }
  };

  std::set<KeyName, ByName> names_;
};

}  // namespace flint::limiter
