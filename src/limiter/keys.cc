#include "limiter/keys.h"

#include <algorithm>
#include <functional>
#include <random>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/arithmetic.h"
#include "base/assert.h"

namespace flint::limiter {

namespace {

static_assert(kMaxKeyBytes <= UINT16_MAX);

/// What malloc would hand out for a name: 24 bytes, or 16 more and so on.
std::size_t block_bytes(std::size_t length) noexcept {
  return std::max<std::size_t>(24, (length + 2 + 7) / 16 * 16 + 8);
}

}  // namespace

void KeyName::assign(std::string_view name) {
  const std::size_t bytes = block_bytes(name.size());
  if (block_ == nullptr || block_bytes(length()) != bytes) block_ = std::make_unique<char[]>(bytes);
  base::store_fixed(reinterpret_cast<std::byte*>(block_.get()), static_cast<std::uint16_t>(name.size()));
  std::copy(name.begin(), name.end(), &block_[2]);
}

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

void KeyEntry::note_record(storage::Seq seq, const Denials& denials) noexcept {
  counters.add_denied(denials);
  last_seq = seq;
}

Keys::Keys() : by_key_(0, Hash{std::random_device{}()}) {}

std::size_t Keys::Hash::operator()(std::string_view key) const noexcept {
  return XXH3_64bits_withSeed(key.data(), key.size(), seed);
}

KeyEntry* Keys::find(std::string_view key) noexcept {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : *found;
}

KeyEntry* Keys::find(KeyId id) noexcept {
  if (id >= end_id()) return nullptr;
  KeyEntry& entry = slot(id);
  return entry.id == id ? &entry : nullptr;
}

KeyEntry* Keys::next(KeyId id) noexcept {
  for (std::size_t at = id; at < end_id(); ++at) {
    if (slot(at).id == at) return &slot(at);
  }
  return nullptr;
}

KeyId Keys::next_id() const noexcept { return static_cast<KeyId>(free_.empty() ? end_id() : free_.front()); }

/// The slot that a new key would take stands in for it in the look-up, and is taken if that finds nothing: the key is
/// hashed once, and what a check does to a key that it brings to life costs no second look-up.
Keys::Place Keys::find_or_add(std::string_view key) {
  if (full()) return {find(key), false};
  const KeyId id = next_id();
  if (id / kChunk == chunks_.size()) chunks_.push_back(std::make_unique<KeyEntry[]>(kChunk));
  KeyEntry& candidate = slot(id);
  candidate.key.assign(key);
  const auto [place, is_new] = by_key_.insert(&candidate);
  if (!is_new) return {*place, false};
  candidate.id = id;
  if (!free_.empty()) {
    std::pop_heap(free_.begin(), free_.end(), std::greater<>());
    free_.pop_back();
  }
  return {&candidate, true};
}

KeyEntry& Keys::add(std::string_view key) {
  const Place place = find_or_add(key);
  FLINT_ASSERT(place.is_new);
  return *place.entry;
}

void Keys::remove(KeyEntry& entry) {
  FLINT_ASSERT(find(entry.id) == &entry && entry.pending_at == 0);
  const bool erased = by_key_.erase(&entry) == 1;
  FLINT_ASSERT(erased);
  free_.push_back(entry.id);
  std::push_heap(free_.begin(), free_.end(), std::greater<>());
  entry = KeyEntry();
}

void Keys::clear() {
  by_key_.clear();
  chunks_.clear();
  free_.clear();
}

}  // namespace flint::limiter
