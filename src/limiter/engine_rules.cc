#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "limiter/engine.h"

/// Checks of keys that have no limit of their own: which rule holds, how a key comes to life, and how it is forgotten.
namespace flint::limiter {
namespace {

// A birth pays for looking at so many keys, all of them at once for some births. So the table holds at most a third
// more keys than are in use, however fast new ones come.
constexpr std::uint32_t kBirthsPerLook = 16;
constexpr std::size_t kKeysPerBirth = 4;
constexpr Nanos kLookForRoomEvery = std::chrono::milliseconds(1);
constexpr std::size_t kLookForRoom = 128;

[[nodiscard]] bool is_normalized(const Limit& limit) noexcept {
  const auto is_so = [](const Limit& window) { return window.burst != window.rate && window.timezone != "UTC"; };
  return is_so(limit) && std::all_of(limit.further.begin(), limit.further.end(), is_so);
}

Status too_large() {
  return {Code::kInvalidArgument,
          "the names of the new keys in this check, and what their limits count, are too long for one record: check "
          "fewer keys at once."};
}

}  // namespace

Rule Engine::rule_for(const Item& item, const Limit* carried) {
  if (const KeyEntry* pattern = state_.patterns.find(item.key, carried != nullptr)) return pattern->usage.rule;
  if (carried == nullptr) return {};
  return is_normalized(*carried) ? state_.limits.rule(*carried) : state_.limits.rule(normalized(*carried));
}

bool Engine::find_same_rule(Item& item, const Limit* carried) {
  const KeyEntry* const entry = item.entry;
  if (entry->kind != KeyKind::kBorn || entry->usages() > 1) return false;
  const Rule& latest = entry->usage.rule;
  const KeyEntry* const pattern = state_.patterns.find(item.key, carried != nullptr);
  if (pattern != nullptr) {
    if (latest != pattern->usage.rule) return false;
    item.tally = latest.tally();
  } else {
    if (carried == nullptr || latest.version() != 0 || latest.limit() != *carried) return false;
    item.tally = &tallies_.carried();
  }
  item.mode = latest.mode();
  item.limit = &latest.limit();
  item.state = &entry->usage.state;
  return true;
}

void Engine::find_rule(Item& item, const Limit* carried, Rulings& rulings, const Moment& at) {
  if (item.entry != nullptr && find_same_rule(item, carried)) return;
  if (is_pattern(item.key) || (item.entry == nullptr && !validate_key(item.key).ok())) return;
  Rule rule = rule_for(item, carried);
  if (!rule.is_set()) return;
  item.mode = rule.mode();
  item.tally = rule.version() == 0 ? &tallies_.carried() : rule.tally();
  KeyEntry* const entry = item.entry;
  if (entry != nullptr) {
    entry->follow_patterns();
    if (const Usage* usage = entry->find_usage(rule)) {
      item.limit = &usage->limit();
      item.state = &usage->state;
      if (entry->usages() > 1) item.ruling = &rulings.emplace_back(Ruling{.usage = usage});
      return;
    }
  }
  item.ruling = &rulings.emplace_back();
  Usage& draft = item.ruling->draft;
  draft.state = entry == nullptr ? algorithm::fresh(rule.limit(), at.time)
                                 : algorithm::succeed(entry->usage.state, entry->limit(), rule.limit(), at.time);
  draft.rule = std::move(rule);
  item.limit = &draft.limit();
  item.state = &draft.state;
}

RuleTally& Engine::tally_of(KeyEntry& pattern) {
  Rule& rule = pattern.usage.rule;
  if (rule.tally() == nullptr) rule.set_tally(tallies_.of_pattern(pattern.key));
  return *rule.tally();
}

/// Before the items of a check are looked up: what is forgotten here may be one of them. Not for every check, since a
/// crowd of new keys is not to pay for a look at the table each.
bool Engine::look_for_room(std::size_t keys, const Moment& at) {
  const bool is_early = at.time - looked_for_room_ < kLookForRoomEvery;
  if (has_room(keys) || is_early || options_.mode == OpenMode::kReadOnly) return false;
  looked_for_room_ = at.time;
  forget_some(kLookForRoom);
  return true;
}

void Engine::mark_full(std::span<Item> items) {
  const auto is_new = [](const Item& item) {
    return item.entry == nullptr && item.ruling != nullptr && item.mode != Mode::kBlock;
  };
  const auto wanted = static_cast<std::size_t>(std::count_if(items.begin(), items.end(), is_new));
  if (wanted == 0 || has_room(wanted)) return;
  for (Item& item : items) {
    if (is_new(item)) item.ruling->keys_full = true;
  }
  ++keys_full_;
}

/// Once the items of a check are done with: what is forgotten here may be one of them.
void Engine::pay_for_births() {
  if (births_ >= kBirthsPerLook) forget_some(kKeysPerBirth * std::exchange(births_, 0));
}

/// Every rule that a key was decided by of late sees all of its traffic, whichever decided: else who alternates between
/// two of them would have both quotas. Usages under a pattern that was deleted have done their part once another one
/// began with what they held.
void Engine::find_charges(const Item& item, const Moment& at, Charges& charges) {
  const bool is_draft = item.ruling != nullptr && item.ruling->usage == nullptr;
  const Usage* deciding = item.ruling == nullptr ? &item.entry->usage : item.ruling->usage;
  charges.push_back({is_draft ? item.ruling->draft.rule : deciding->rule, deciding, item.cost, item.outcome});
  if (is_draft) {
    // All of it is new, and may be one run of a sliding log: the record holds it as it will be.
    algorithm::State& draft = item.ruling->draft.state;
    algorithm::consume(draft, *item.limit, item.cost, present(at), item.outcome);
    charges.back().outcome.after = algorithm::describe(draft, *item.limit, at.time, windows_);
  }
  if (item.entry == nullptr) return;
  item.entry->for_each_usage([&](const Usage& usage) {
    if (&usage == deciding || usage.rule.has_ended() || charges.size() == kMaxUsages) return;
    const Units cost = algorithm::most_charged(usage.state, usage.limit(), item.cost, at.time);
    charges.push_back(
        {usage.rule, &usage, cost, algorithm::charged(usage.state, usage.limit(), cost, present(at), windows_)});
  });
}

void Engine::apply(KeyEntry& entry, Item& item, Charges& charges, const Moment& at) {
  entry.work_off(item.cost, at.time);
  if (charges.size() == 1 && charges.front().usage == nullptr) return entry.set_usages({&item.ruling->draft, 1});
  boost::container::static_vector<Usage, kMaxUsages> usages;
  for (Charge& charge : charges) {
    if (charge.usage == nullptr) {
      usages.push_back(std::move(item.ruling->draft));
      continue;
    }
    usages.push_back({charge.rule, std::move(entry.find_usage(charge.rule)->state)});
    algorithm::consume(usages.back().state, charge.rule.limit(), charge.cost, present(at), charge.outcome);
  }
  entry.set_usages(usages);
}

/// New keys are in the table before their record is in the log, as in limit(): they have their ids from there. Nearly
/// always there is one key with one usage, for which nothing is allocated here.
Result<Ticket> Engine::grant_by_rules(std::span<Item> items, const Moment& at, RememberedRequest* once) {
  boost::container::small_vector<Charges, 1> charges;
  std::size_t most_bytes = once == nullptr ? 0 : most_request_bytes(once->verdicts.size());
  for (const Item& item : items) {
    charges.emplace_back();
    if (!item.is_beyond_most_keys()) find_charges(item, at, charges.back());
    std::size_t windows = 0;
    for (const Charge& charge : charges.back()) windows += charge.rule.limit().window_count();
    most_bytes += most_ruled_bytes(item.key.size(), windows);
  }
  EventWriter event(EventType::kAllowedByRules, at, most_bytes);
  if (once != nullptr) event.once(*once);
  boost::container::static_vector<KeyEntry*, kMaxCheckAllItems> born;
  std::size_t granted = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    Item& item = items[i];
    if (item.is_beyond_most_keys()) continue;
    ++granted;
    const bool is_new = item.entry == nullptr;
    if (is_new) {
      item.entry = &state_.keys.add(item.key);
      state_.keys.set_kind(*item.entry, KeyKind::kBorn);
      born.push_back(item.entry);
    }
    event.ruled({.id = item.entry->id,
                 .cost = item.cost,
                 .denials = pending_.of(*item.entry),
                 .born = is_new ? item.key : std::string_view(),
                 .usages = charges[i].size()});
    for (const Charge& charge : charges[i]) {
      event.usage(charge.rule.version(), charge.rule.written(), charge.outcome.after);
    }
  }
  if (granted == 0) return Ticket{};
  const Result<storage::Seq> seq = event.fits() ? append(event, at) : Result<storage::Seq>(too_large());
  if (!seq.ok()) {
    for (KeyEntry* entry : born) state_.keys.remove(*entry);
    return seq.status();
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].is_beyond_most_keys()) continue;
    KeyEntry& entry = *items[i].entry;
    apply(entry, items[i], charges[i], at);
    note_record(entry, *seq);
    entry.add_allowed(items[i].cost, at.wall);
    ++items[i].tally->allowed;
  }
  if (once != nullptr) remember(*once, *seq, at);
  for (const KeyEntry* entry : born) note_name(*entry, true);
  births_ += static_cast<std::uint32_t>(born.size());
  return ticket(*seq, at);
}

/// A key whose quota is full again is as good as one that was never seen, so that to forget it changes no decision. It
/// is a record all the same: its id is given to others, and its counters go on to count elsewhere. Where the record
/// cannot be logged the keys stay.
void Engine::forget_some(std::size_t keys_looked_at) {
  if (state_.keys.born() == 0 || options_.mode == OpenMode::kReadOnly) return;
  const Moment at = clock_->now();
  boost::container::static_vector<ForgottenKey, kMaxCheckAllItems> gone;
  keys_looked_at = std::min(keys_looked_at, state_.keys.end_id());  // none twice
  for (std::size_t n = 0; n < keys_looked_at && gone.size() < kMaxCheckAllItems; ++n) {
    if (forget_next_ >= state_.keys.end_id()) forget_next_ = 0;
    KeyEntry* const entry = state_.keys.find(forget_next_++);
    if (entry == nullptr || entry->kind != KeyKind::kBorn) continue;
    entry->follow_patterns();
    if (!entry->is_fresh(present(at)) || entry->holds_something(at.time)) continue;
    gone.push_back(forgotten(*entry));
  }
  if (gone.empty()) return;
  EventWriter event(EventType::kForgotten, at, gone.size() * kMaxForgottenBytes);
  for (const ForgottenKey& key : gone) event.forgotten(key);
  const Result<storage::Seq> seq = append(event, at);
  if (!seq.ok()) return;
  for (const ForgottenKey& key : gone) {
    if (key.why == ForgottenKey::Why::kForgottenByPattern) {
      KeyEntry& pattern = *state_.keys.find(key.pattern);
      pattern.add_counters(key.counters);
      pattern.last_seq = *seq;
      ++tally_of(pattern).forgotten;
    } else {
      state_.carried.add(key.counters);
      ++tallies_.carried().forgotten;
    }
    drop(*state_.keys.find(key.id));
  }
}

ForgottenKey Engine::forgotten(KeyEntry& entry) const {
  ForgottenKey key{.id = entry.id, .why = ForgottenKey::Why::kForgottenCarried, .counters = entry.counters()};
  key.denials = pending_.of(entry);
  key.counters.add_denied(key.denials);
  key.counters.add_would_deny(pending_.would_deny_of(entry));
  if (entry.usage.rule.version() == 0) return key;
  if (const KeyEntry* pattern = state_.patterns.find(entry.key.view(), false)) {
    key.why = ForgottenKey::Why::kForgottenByPattern;
    key.pattern = pattern->id;
  }
  return key;
}

void Engine::drop(KeyEntry& entry) {
  note_name(entry, false);
  pending_.forget(entry);
  state_.remove(entry);
}

void Engine::note_name(const KeyEntry& entry, bool is_there) {
  NameChanges& names = entry.kind == KeyKind::kBorn ? born_names_ : limit_names_;
  is_there ? names.added(entry.key) : names.removed(entry.key);
}

}  // namespace flint::limiter
