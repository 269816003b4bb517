#include "limiter/keys.h"

#include <random>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/arithmetic.h"
#include "base/assert.h"

namespace flint::limiter {

void Counters::add_allowed(Units cost, WallTime at) noexcept {
  ++allowed;
  allowed_cost = base::saturating_add(allowed_cost, cost);
  last_allowed_at = at;
}

void Counters::add_denied(const Denials& denials) noexcept {
  if (denials.count == 0) return;
  denied = base::saturating_add(denied, denials.count);
  denied_cost = base::saturating_add(denied_cost, denials.cost);
  last_denied_at = denials.last;
}

void KeyEntry::note_record(storage::Seq seq) noexcept {
  counters.add_denied(pending);
  pending = {};
  last_seq = seq;
}

Keys::Keys() : by_key_(0, Hash{std::random_device{}()}) {}

std::size_t Keys::Hash::operator()(std::string_view key) const noexcept {
  return XXH3_64bits_withSeed(key.data(), key.size(), seed);
}

KeyEntry* Keys::find(std::string_view key) noexcept {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : found->second;
}

KeyEntry* Keys::find(KeyId id) noexcept { return id < entries_.size() ? &entries_[id] : nullptr; }

KeyEntry& Keys::add(std::string_view key) {
  KeyEntry& entry = entries_.emplace_back();
  entry.id = static_cast<KeyId>(entries_.size() - 1);
  entry.key = key;
  const bool added = by_key_.emplace(entry.key, &entry).second;
  FLINT_ASSERT(added);
  return entry;
}

void Keys::clear() {
  by_key_.clear();
  entries_.clear();
}

}  // namespace flint::limiter
