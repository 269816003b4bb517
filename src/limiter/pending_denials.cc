#include "limiter/pending_denials.h"

#include <algorithm>

#include "base/arithmetic.h"

namespace flint::limiter {

void PendingDenials::add(KeyEntry& entry, Units cost, WallTime at) {
  if (entry.pending_at == 0) {
    items_.push_back({.entry = &entry, .denials = {}});
    entry.pending_at = static_cast<std::uint32_t>(items_.size());
  }
  Denials& denials = items_[entry.pending_at - 1].denials;
  ++denials.count;
  denials.cost = base::saturating_add(denials.cost, cost);
  denials.last = at;
}

void PendingDenials::forget(KeyEntry& entry) noexcept {
  if (entry.pending_at == 0) return;
  items_[entry.pending_at - 1] = items_.back();
  items_.back().entry->pending_at = entry.pending_at;
  entry.pending_at = 0;
  items_.pop_back();
}

void PendingDenials::drop_taken() {
  std::uint32_t kept = 0;
  for (const Item& item : items_) {
    item.entry->pending_at = item.denials.count > 0 ? kept + 1 : 0;
    if (item.denials.count > 0) items_[kept++] = item;
  }
  items_.resize(kept);
}

std::span<const PendingDenials::Item> PendingDenials::some(std::size_t most) const noexcept {
  return std::span(items_).last(std::min(items_.size(), most));
}

void PendingDenials::drop(std::size_t count) {
  for (const Item& item : some(count)) item.entry->pending_at = 0;
  items_.resize(items_.size() - count);
}

}  // namespace flint::limiter
