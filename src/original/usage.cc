#include "original/usage.h"

#include <fmt/format.h>

#include "base/invalid.h"

namespace flint::original {
namespace {

using algorithm::FixedWindow;
using algorithm::SlidingLog;
using algorithm::TokenBucket;
using base::invalid;

/// Takes `cost` without deciding: the original did that long ago, with its own rounding. If by this Flint's arithmetic
/// less is left, the key is at its limit, and not in debt: a debt would deny requests that the original would have
/// allowed.
void charge(algorithm::State& state, const Limit& limit, Units cost, Time now) {
  if (auto* bucket = std::get_if<TokenBucket>(&state)) {
    *bucket = bucket->refilled(limit, now);
    bucket->used = std::min(bucket->used + cost, limit.capacity());
  } else if (auto* window = std::get_if<FixedWindow>(&state)) {
    *window = window->current(now, limit.per);
    if (window->count == 0) window->start = std::max(window->start, now);
    window->count = std::min(window->count + cost, limit.capacity());
  } else {
    auto& log = std::get<SlidingLog>(state);
    const Units room = kMaxUnits - std::min(kMaxUnits, log.spent(now, limit.per));
    if (const Units added = std::min(cost, room); added > 0) log.append(now, added, limit.per);
  }
}

/// What the limiter's own times are: whole milliseconds, rounded down.
WallTime shown(WallTime at) noexcept { return std::chrono::floor<std::chrono::milliseconds>(at); }

Status validate(std::string_view key, const Limit& limit) {
  if (Status valid = validate_key(key); !valid.ok()) return valid;
  return validate_limit(limit);
}

}  // namespace

std::optional<Algorithm> original_algorithm(std::string_view name) noexcept {
  const std::optional<Algorithm> algorithm = parse_algorithm(name);
  return algorithm == Algorithm::kSlidingWindowCounter ? std::nullopt : algorithm;
}

Result<limiter::KeyEntry*> Usage::find(std::string_view key) {
  limiter::KeyEntry* entry = keys_.find(key);
  if (entry != nullptr) return entry;
  if (Status valid = validate_key(key); !valid.ok()) return valid;
  return invalid(
      fmt::format("key \"{}\" has no limit: nothing before this sets one. Is flint.snapshot, or the beginning "
                  "of flint.aof, missing?",
                  key));
}

Status Usage::configure(std::string_view key, const Limit& limit, WallTime at) {
  if (Status valid = validate(key, limit); !valid.ok()) return valid;
  const Time now = time_of(at);
  limiter::KeyEntry* entry = keys_.find(key);
  if (entry == nullptr) {
    if (keys_.full()) return invalid("there are more keys than a data directory can hold.");
    entry = &keys_.add(key);
    entry->usage.state = algorithm::fresh(limit, now);
  } else if (entry->limit() != limit) {
    entry->usage.state = algorithm::reconfigure(entry->usage.state, entry->limit(), limit, now);
  }
  entry->usage.rule = limits_.rule(limit);
  return {};
}

Status Usage::allow(std::string_view key, Units cost, WallTime at) {
  const Result<limiter::KeyEntry*> entry = find(key);
  if (!entry.ok()) return entry.status();
  charge((*entry)->usage.state, (*entry)->limit(), cost, time_of(at));
  (*entry)->add_allowed(cost, shown(std::min(at, now_)));
  return {};
}

Status Usage::deny(std::string_view key, Units cost, WallTime at) {
  const Result<limiter::KeyEntry*> entry = find(key);
  if (!entry.ok()) return entry.status();
  limiter::Counters counters = (*entry)->counters();
  counters.add_denied({.count = 1, .cost = cost, .last = shown(not_after_now(at))});
  (*entry)->set_counters(counters);
  return {};
}

Status Usage::reset(std::string_view key, WallTime at) {
  const Result<limiter::KeyEntry*> entry = find(key);
  if (!entry.ok()) return entry.status();
  (*entry)->usage.state = algorithm::fresh((*entry)->limit(), time_of(at));
  (*entry)->note_reset(shown(std::min(at, now_)));
  return {};
}

Status Usage::restore(std::string_view key, const Limit& limit, algorithm::State state,
                      const limiter::Counters& counters) {
  if (Status valid = validate(key, limit); !valid.ok()) return valid;
  if (keys_.find(key) != nullptr) return invalid(fmt::format("key \"{}\" occurs twice.", key));
  if (keys_.full()) return invalid("there are more keys than a data directory can hold.");
  limiter::KeyEntry& entry = keys_.add(key);
  entry.usage = {limits_.rule(limit), std::move(state)};
  limiter::Counters known = counters;
  for (limiter::MaybeTime* time : {&known.last_allowed_at, &known.last_denied_at, &known.last_reset_at}) {
    if (time->has_value()) *time = shown(std::min(**time, now_));
  }
  entry.set_counters(known);
  return {};
}

}  // namespace flint::original
