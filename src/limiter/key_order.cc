#include "limiter/key_order.h"

#include <utility>

namespace flint::limiter {

std::vector<NameChanges::Change> NameChanges::take(bool& complete) {
  complete = std::exchange(wanted_, true);
  return std::exchange(changes_, std::vector<Change>());
}

void NameChanges::note(std::string_view name, bool is_there) {
  if (changes_.size() == kMost) {
    wanted_ = false;
    changes_.clear();
    return;
  }
  changes_.push_back({.name = {}, .is_there = is_there});
  changes_.back().name.assign(name);
}

void KeyOrder::apply(std::vector<NameChanges::Change> changes) {
  for (NameChanges::Change& change : changes) {
    if (change.is_there) {
      names_.insert(std::move(change.name));
    } else if (const auto gone = names_.find(change.name.view()); gone != names_.end()) {
      names_.erase(gone);
    }
  }
}

std::vector<std::string_view> KeyOrder::page(std::string_view prefix, std::string_view from, bool inclusive,
                                             std::size_t most) const {
  std::vector<std::string_view> page;
  auto at = inclusive ? names_.lower_bound(from) : names_.upper_bound(from);
  for (; at != names_.end() && page.size() < most && at->view().starts_with(prefix); ++at) page.push_back(at->view());
  return page;
}

}  // namespace flint::limiter
