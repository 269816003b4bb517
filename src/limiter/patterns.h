#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <string_view>
#include <vector>

#include "limiter/keys.h"

namespace flint::limiter {

/// Which patterns there are, by what their keys begin with. Finds the longest one that a key matches with one look-up
/// for each length that occurs: there are few. Threads: guarded by the owner's mutex.
class Patterns {
 public:
  /// The entry is of a pattern, has its rule and is not in here yet. Both stay as they are until it is removed here.
  void add(KeyEntry& pattern);
  void remove(const KeyEntry& pattern);
  void clear() noexcept;

  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (const auto& [prefix, pattern] : by_prefix_) visit(*pattern);
  }

  [[nodiscard]] bool empty() const noexcept { return by_prefix_.empty(); }
  /// The one that holds for `key`, which carries a limit or not: the longest that overrides, else the longest. Null if
  /// there is none, or if what is carried holds.
  [[nodiscard]] KeyEntry* find(std::string_view key, bool carries) const noexcept;

 private:
  struct Length {
    std::size_t bytes = 0;
    std::size_t patterns = 0;
    /// Where there is one pattern of this length, as there often is: to compare with it is cheaper than a look-up.
    KeyEntry* only = nullptr;
  };

  [[nodiscard]] static std::string_view prefix_of(const KeyEntry& pattern) noexcept {
    const std::string_view name = pattern.key.view();
    return name.substr(0, name.size() - 1);
  }
  /// The pattern of this length that matches; null if there is none.
  [[nodiscard]] KeyEntry* match(const Length& length, std::string_view key) const noexcept;

  boost::unordered_flat_map<std::string_view, KeyEntry*> by_prefix_;
  /// The longest first.
  std::vector<Length> lengths_;
  /// How many override.
  std::size_t overriding_ = 0;
};

}  // namespace flint::limiter
