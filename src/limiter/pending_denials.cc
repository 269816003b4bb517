#include "limiter/pending_denials.h"

#include <algorithm>

#include "base/arithmetic.h"

namespace flint::limiter {

namespace {

void count(Denials& denials, Units cost, WallTime at) noexcept {
  ++denials.count;
  denials.cost = base::saturating_add(denials.cost, cost);
  denials.last = at;
}

}  // namespace

PendingDenials::Item& PendingDenials::item_of(KeyEntry& entry) {
  if (entry.pending_at == 0) {
    items_.push_back({.entry = &entry, .denials = {}, .would_deny = {}});
    entry.pending_at = static_cast<std::uint32_t>(items_.size());
  }
  return items_[entry.pending_at - 1];
}

void PendingDenials::add(KeyEntry& entry, Units cost, WallTime at) { count(item_of(entry).denials, cost, at); }

void PendingDenials::add_would_deny(KeyEntry& entry, Units cost, WallTime at) {
  count(item_of(entry).would_deny, cost, at);
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
    const bool has_some = item.denials.count > 0 || item.would_deny.count > 0;
    item.entry->pending_at = has_some ? kept + 1 : 0;
    if (has_some) items_[kept++] = item;
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
