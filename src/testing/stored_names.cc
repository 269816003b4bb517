#include "testing/stored_names.h"

#include <utility>

namespace flint::testing {

void StoredNames::created(std::string_view name, const Inode& inode) {
  pending_.push_back({"", std::string(name), inode});
}

void StoredNames::renamed(std::string_view from, std::string_view to, const Inode& inode) {
  pending_.push_back({std::string(from), std::string(to), inode});
}

void StoredNames::removed(std::string_view name, const Inode& inode) {
  pending_.push_back({std::string(name), "", inode});
}

void StoredNames::sync() {
  for (const Change& change : pending_) apply(change, durable_);
  pending_.clear();
}

void StoredNames::sync_failed(Dice* some) {
  if (some != nullptr) durable_ = after_power_loss(*some);
  pending_.clear();
}

void StoredNames::write_back(Dice& dice) {
  const auto end = pending_.begin() + static_cast<std::ptrdiff_t>(dice.below(pending_.size() + 1));
  for (auto change = pending_.begin(); change != end; ++change) apply(*change, durable_);
  pending_.erase(pending_.begin(), end);
}

StoredNames::Names StoredNames::after_power_loss(Dice& dice) const {
  Names names = durable_;
  const unsigned percent = dice.bias();
  for (const Change& change : pending_) {
    if (dice.chance(percent)) apply(change, names);
  }
  return names;
}

void StoredNames::apply(const Change& change, Names& names) {
  const auto is_this_file = [&](const auto& entry) { return entry.second == change.inode; };
  if (change.to.empty()) {
    // Not when the name is another file's, because the change that gave it to this one was lost.
    const auto entry = names.find(change.from);
    if (entry != names.end() && is_this_file(*entry)) names.erase(entry);
    return;
  }
  // A rename leaves no earlier name, even when a rename between the two was lost.
  std::erase_if(names, is_this_file);
  names.insert_or_assign(change.to, change.inode);
}

}  // namespace flint::testing
