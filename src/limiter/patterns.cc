#include "limiter/patterns.h"

#include <algorithm>

#include "base/assert.h"

namespace flint::limiter {
namespace {

constexpr auto kIsLonger = [](const auto& length, std::size_t bytes) { return length.bytes > bytes; };

}  // namespace

void Patterns::add(KeyEntry& pattern) {
  const std::string_view prefix = prefix_of(pattern);
  const bool is_new = by_prefix_.emplace(prefix, &pattern).second;
  FLINT_ASSERT(is_new);
  auto length = std::lower_bound(lengths_.begin(), lengths_.end(), prefix.size(), kIsLonger);
  if (length == lengths_.end() || length->bytes != prefix.size()) {
    length = lengths_.insert(length, {.bytes = prefix.size()});
  }
  length->only = length->patterns == 0 ? &pattern : nullptr;
  ++length->patterns;
  overriding_ += pattern.usage.rule.overrides() ? 1 : 0;
}

void Patterns::remove(const KeyEntry& pattern) {
  const std::string_view prefix = prefix_of(pattern);
  const bool erased = by_prefix_.erase(prefix) == 1;
  FLINT_ASSERT(erased);
  const auto length = std::lower_bound(lengths_.begin(), lengths_.end(), prefix.size(), kIsLonger);
  if (--length->patterns == 0) lengths_.erase(length);
  overriding_ -= pattern.usage.rule.overrides() ? 1 : 0;
}

void Patterns::clear() noexcept {
  by_prefix_.clear();
  lengths_.clear();
  overriding_ = 0;
}

KeyEntry* Patterns::match(const Length& length, std::string_view key) const noexcept {
  if (length.bytes > key.size()) return nullptr;
  if (length.only != nullptr) return key.starts_with(prefix_of(*length.only)) ? length.only : nullptr;
  const auto found = by_prefix_.find(key.substr(0, length.bytes));
  return found == by_prefix_.end() ? nullptr : found->second;
}

KeyEntry* Patterns::find(std::string_view key, bool carries) const noexcept {
  if (carries && overriding_ == 0) return nullptr;
  KeyEntry* longest = nullptr;
  for (const Length& length : lengths_) {
    KeyEntry* const pattern = match(length, key);
    if (pattern == nullptr) continue;
    if (overriding_ == 0 || pattern->usage.rule.overrides()) return pattern;
    if (longest == nullptr) longest = pattern;
  }
  return carries ? nullptr : longest;
}

}  // namespace flint::limiter
