#include "limiter/keys.h"

#include <algorithm>
#include <iterator>
#include <random>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"

namespace flint::limiter {

namespace {

static_assert(kMaxKeyBytes <= UINT16_MAX);

[[nodiscard]] bool counts_what_is_rare(const Counters& counters) noexcept {
  return counters.denied > 0 || counters.denied_cost > 0 || counters.would_deny > 0 ||
         counters.last_denied_at.has_value() || counters.last_reset_at.has_value();
}

}  // namespace

void KeyName::assign(std::string_view name) {
  if (is_apart()) delete[] block();
  length_ = 0;  // in case that there is no memory
  char* at = bytes_.data();
  if (name.size() > kInPlace) {
    at = new char[name.size()];
    std::memcpy(bytes_.data(), &at, sizeof(at));
  }
  std::memcpy(at, name.data(), name.size());
  length_ = static_cast<std::uint16_t>(name.size());
}

Usage* KeyEntry::find_other(const Rule& rule) noexcept {
  const auto found =
      std::find_if(others()->begin(), others()->end(), [&](const Usage& each) { return each.rule == rule; });
  return found == others()->end() ? nullptr : &*found;
}

Held& KeyEntry::make_held() {
  Rare& rare = make_rare();
  if (rare.held == nullptr) rare.held = std::make_unique<Held>();
  return *rare.held;
}

void KeyEntry::work_off_held(Units cost, Time now) {
  for_each_usage([&](const Usage& each) { held()->work_off(each.rule, each.state, cost, now); });
}

bool KeyEntry::holds_something(Time now) {
  if (held() == nullptr) return false;
  held()->remove_old(now);
  return !held()->empty();
}

void KeyEntry::change_limit(Rule rule, algorithm::State next, Time now) {
  if (held() != nullptr) {
    const bool keeps = usage.rule.is_set() && algorithm::keeps_units(usage.state, usage.limit(), rule.limit(), now);
    held()->forget_unless([&](const Rule& each) { return keeps && each == usage.rule; });
    if (keeps) held()->succeed(usage.rule, rule);
  }
  usage = {std::move(rule), std::move(next)};
  drop_others();
}

void KeyEntry::change_mode(Rule rule) {
  if (held() != nullptr) held()->succeed(usage.rule, rule);
  usage.rule = std::move(rule);
}

void KeyEntry::reset(Time now) {
  for_each_usage([&](Usage& each) { each.state = algorithm::fresh(each.limit(), now); });
  if (held() != nullptr) held()->forget_all();
}

void KeyEntry::set_usages(std::span<Usage> usages) {
  if (held() != nullptr) {
    held()->forget_unless([&](const Rule& rule) {
      return std::any_of(usages.begin(), usages.end(), [&](const Usage& each) { return each.rule == rule; });
    });
  }
  usage = std::move(usages.front());
  if (usages.size() == 1) return drop_others();
  const std::span<Usage> others = usages.subspan(1);
  make_rare().others = std::make_unique<std::vector<Usage>>(std::make_move_iterator(others.begin()),
                                                            std::make_move_iterator(others.end()));
}

void KeyEntry::follow_changes() {
  // Of the resets that several patterns had meanwhile, the last one is what a status tells of.
  storage::Seq last_reset = 0;
  for_each_usage([&](Usage& each) {
    while (!each.rule.is_current() && !each.rule.has_ended()) {
      const Rule next = each.rule.successor();
      const Rule::Succession& by = each.rule.succession();
      bool keeps = true;
      if (by.resets) {
        keeps = false;
        each.state = algorithm::fresh(next.limit(), by.at);
        if (next.version() > last_reset) note_reset(by.wall);
        last_reset = std::max(last_reset, next.version());
      } else if (each.limit() != next.limit()) {
        keeps = held() == nullptr || algorithm::keeps_units(each.state, each.limit(), next.limit(), by.at);
        each.state = algorithm::reconfigure(each.state, each.limit(), next.limit(), by.at);
      }
      if (held() != nullptr) {
        if (!keeps) held()->forget_unless([&](const Rule& rule) { return rule != each.rule; });
        held()->succeed(each.rule, next);
      }
      each.rule = next;
    }
  });
}

bool KeyEntry::is_fresh(algorithm::Now now) const {
  const auto is_so = [&](const Usage& each) { return algorithm::is_fresh(each.state, each.limit(), now); };
  return is_so(usage) && (others() == nullptr || std::all_of(others()->begin(), others()->end(), is_so));
}

Counters KeyEntry::counters() const noexcept {
  Counters counters{.allowed = allowed_,
                    .allowed_cost = allowed_cost_,
                    .last_allowed_at = last_allowed_at_,
                    .last_denied_at = {},
                    .last_reset_at = {}};
  if (rare_ == nullptr) return counters;
  counters.denied = rare_->denied;
  counters.denied_cost = rare_->denied_cost;
  counters.last_denied_at = rare_->last_denied_at;
  counters.last_reset_at = rare_->last_reset_at;
  counters.would_deny = rare_->would_deny;
  return counters;
}

void KeyEntry::set_counters(const Counters& counters) {
  allowed_ = counters.allowed;
  allowed_cost_ = counters.allowed_cost;
  last_allowed_at_ = counters.last_allowed_at;
  if (rare_ == nullptr && !counts_what_is_rare(counters)) return;
  Rare& rare = make_rare();
  rare.denied = counters.denied;
  rare.denied_cost = counters.denied_cost;
  rare.last_denied_at = counters.last_denied_at;
  rare.last_reset_at = counters.last_reset_at;
  rare.would_deny = counters.would_deny;
}

void KeyEntry::add_counters(const Counters& other) {
  if (counts_what_is_rare(other)) {
    Counters now = counters();
    now.add(other);
    return set_counters(now);
  }
  allowed_ = base::saturating_add(allowed_, other.allowed);
  allowed_cost_ = base::saturating_add(allowed_cost_, other.allowed_cost);
  last_allowed_at_ = std::max(last_allowed_at_, other.last_allowed_at);
}

void KeyEntry::add_would_deny(const Denials& denials) {
  Counters now = counters();
  now.add_would_deny(denials);
  set_counters(now);
}

void KeyEntry::note_reset(WallTime at) { make_rare().last_reset_at = at; }

/// The keys that a pattern forgot may have been denied after what it counted itself, and before this record.
void KeyEntry::add_denied(const Denials& denials) {
  Counters now = counters();
  now.add_denied(denials);
  if (kind == KeyKind::kPattern) now.last_denied_at = std::max(now.last_denied_at, counters().last_denied_at);
  set_counters(now);
}

Keys::Keys() : by_key_(0, Hash{std::random_device{}()}) {}

std::size_t Keys::Hash::operator()(std::string_view key) const noexcept {
  return XXH3_64bits_withSeed(key.data(), key.size(), seed);
}

KeyEntry* Keys::find(std::string_view key) noexcept {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : *found;
}

KeyEntry* Keys::next(KeyId id) noexcept {
  for (std::size_t at = id; at < end_id(); ++at) {
    if (!is_made(at)) {
      at = (at / kChunk + 1) * kChunk - 1;
    } else if (slot(at).id == at) {
      return &slot(at);
    }
  }
  return nullptr;
}

KeyId Keys::next_id() noexcept {
  while (!free_.empty() && find(free_.back()) != nullptr) free_.pop_back();
  return static_cast<KeyId>(free_.empty() ? end_id_ : free_.back());
}

KeyEntry& Keys::make_slot(KeyId id) {
  if (id / kChunk >= chunks_.size()) chunks_.resize(id / kChunk + 1);
  std::unique_ptr<KeyEntry[]>& chunk = chunks_[id / kChunk];
  if (chunk == nullptr) chunk = std::make_unique<KeyEntry[]>(kChunk);
  return slot(id);
}

/// The slot that a new key would take stands in for it in the look-up, and is taken if that finds nothing: the key is
/// hashed once, and what a check does to a key that it brings to life costs no second look-up.
Keys::Place Keys::find_or_add(std::string_view key) {
  if (full()) return {find(key), false};
  const KeyId id = next_id();
  KeyEntry& candidate = make_slot(id);
  candidate.key.assign(key);
  const auto [place, is_new] = by_key_.insert(&candidate);
  if (!is_new) return {*place, false};
  candidate.id = id;
  candidate.generation = generation_;
  if (id == end_id_) {
    ++end_id_;
  } else {
    free_.pop_back();
  }
  return {&candidate, true};
}

KeyEntry& Keys::add(std::string_view key) {
  const Place place = find_or_add(key);
  FLINT_ASSERT(place.is_new);
  return *place.entry;
}

KeyEntry* Keys::add_at(KeyId id, std::string_view key) {
  FLINT_ASSERT(id < kMaxKeys && find(id) == nullptr);
  KeyEntry& entry = make_slot(id);
  entry.key.assign(key);
  if (!by_key_.insert(&entry).second) return nullptr;
  entry.id = id;
  entry.generation = generation_;
  add_free_ids(id);
  if (id == end_id_) ++end_id_;
  return &entry;
}

void Keys::add_free_ids(std::size_t end) {
  for (; end_id_ < end; ++end_id_) free_.push_back(static_cast<KeyId>(end_id_));
}

void Keys::set_kind(KeyEntry& entry, KeyKind kind) noexcept {
  if (entry.kind == KeyKind::kBorn) --born_;
  entry.kind = kind;
  if (entry.kind == KeyKind::kBorn) ++born_;
}

void Keys::remove(KeyEntry& entry) {
  FLINT_ASSERT(find(entry.id) == &entry && entry.pending_at == 0);
  const bool erased = by_key_.erase(&entry) == 1;
  FLINT_ASSERT(erased);
  set_kind(entry, KeyKind::kSet);
  if (free_.size() > kChunk + 2 * (end_id_ - by_key_.size())) {
    std::erase_if(free_, [this](KeyId id) { return find(id) != nullptr; });
  }
  free_.push_back(entry.id);
  // Cheaper than to move an empty one there.
  std::destroy_at(&entry);
  std::construct_at(&entry);
}

void Keys::clear() {
  by_key_.clear();
  chunks_.clear();
  free_.clear();
  end_id_ = 0;
  born_ = 0;
}

}  // namespace flint::limiter
