#include "limiter/limiter_state.h"

#include <fmt/format.h>

#include <boost/container/static_vector.hpp>
#include <utility>

#include "base/assert.h"
#include "limiter/snapshot_codec.h"

namespace flint::limiter {
namespace {

// A piece of a snapshot that is taken in one hold of the mutex: some tens of microseconds. Of a sliding log of many
// runs the runs are only copied in it, some at a time, and encoded later, which takes ten times as long.
constexpr KeyId kKeysAtOnce = 64;
// So many ids are looked at for those keys: most may be free, or stand for keys that the snapshot leaves out.
constexpr std::size_t kLooksAtOnce = 2048;
constexpr std::size_t kBytesAtOnce = 64 * 1024;
constexpr std::size_t kRunsEncodedAtOnce = 4 * 1024;
constexpr std::size_t kRunsCopiedAtOnce = 16 * 1024;

Status contradiction(std::string_view what, storage::Seq seq) {
  return {Code::kCorruption, fmt::format("record {} {}", seq, what)};
}

/// Checksums tell damage: what is whole and yet of a kind that is not known was written by a newer version.
Status newer(std::string_view what) { return {Code::kUnsupportedFormat, std::string(what)}; }

Status unreadable(const storage::Record& record) {
  if (is_known_kind(record.kind)) {
    return contradiction("cannot be read as an event, or holds a time or a count that no limiter writes", record.seq);
  }
  return newer(fmt::format("record {} is of kind {}", record.seq, record.kind));
}

}  // namespace

void LimiterState::clear() {
  patterns.clear();
  keys.clear();
  carried = {};
  requests.clear();
  holds.clear();
  time = {};
  newest_loaded_ = Time{};
  gone_.clear();
  group_.clear();
}

Status LimiterState::load(std::span<const std::byte> entry, storage::Seq max_seq) {
  if (!entry.empty() && entry.front() > static_cast<std::byte>(kLastEntryType)) {
    return newer(fmt::format("an entry of type {}", std::to_integer<unsigned>(entry.front())));
  }
  SnapshotTime loaded{time, newest_loaded_};
  if (!load_entry(entry, {limits, keys, patterns, carried, loaded, gone_, requests, holds}))
    return {Code::kCorruption,
            "an entry of the snapshot cannot be read, or holds what no limiter writes (a key twice or out of "
            "order, a limit, count or time out of range, runs out of order)"};
  const KeyEntry* newest = keys.end_id() == 0 ? nullptr : keys.find(static_cast<KeyId>(keys.end_id() - 1));
  if (newest != nullptr) {
    const storage::Seq last_seq = newest->last_seq;
    if (last_seq > max_seq) {
      return {Code::kCorruption,
              fmt::format("the snapshot ends with record {}, and one of its keys with record {}", max_seq, last_seq)};
    }
  }
  if (requests.last_seq() > max_seq) {
    return {Code::kCorruption, fmt::format("the snapshot ends with record {}, and one of its requests with record {}",
                                           max_seq, requests.last_seq())};
  }
  time = loaded.at_position;
  newest_loaded_ = loaded.newest;
  return {};
}

Status LimiterState::replay(const storage::Record& record) {
  if (!decode_event(record, event_)) return unreadable(record);
  if (event_.at.time < time.last) return contradiction("is earlier than the record before it", record.seq);
  time.note(event_.at);
  if (!group_.take(record, event_.part)) return contradiction("continues a group that did not begin", record.seq);
  if (!event_.part) return apply_event(record.seq);
  if (!event_.part->ends) return {};
  return group_.complete([this](const storage::Record& part) {
    const bool is_sound = decode_event(part, event_);
    FLINT_ASSERT(is_sound);
    return apply_event(part.seq);
  });
}

Status LimiterState::apply_event(storage::Seq seq) {
  if (event_.type == EventType::kClock) time.note_anchor(event_.at, event_.boot);
  if (event_.type == EventType::kConfigured) return replay_configured(event_, seq);
  if (event_.type == EventType::kPattern) return replay_pattern(event_, seq);
  if (event_.reserved) return replay_reserved(event_, seq);
  if (event_.settled) return replay_settled(event_, seq);
  for (const RuledItem& item : event_.ruled) {
    if (Status applied = replay_ruled(event_, item, seq, nullptr); !applied.ok()) return applied;
  }
  // First the counters of all, since several may go to one pattern, which is newer than the record afterwards.
  for (const ForgottenKey& key : event_.forgotten) {
    if (Status counted = replay_counters(key, seq); !counted.ok()) return counted;
  }
  for (const ForgottenKey& key : event_.forgotten) {
    if (Status applied = replay_forgotten(key, seq); !applied.ok()) return applied;
  }
  for (const KeyEvent& item : event_.items) {
    if (Status applied = replay_item(event_, item, seq); !applied.ok()) return applied;
  }
  return event_.request ? replay_request(*event_.request) : Status();
}

Status LimiterState::replay_request(RememberedRequest& request) {
  if (request.seq <= requests.last_seq()) return {};
  if (requests.find(request.id, request.at.time) != nullptr) {
    return contradiction("charges for a request whose id is remembered", request.seq);
  }
  requests.remember(std::move(request));
  return {};
}

Status LimiterState::replay_configured(const LogEvent& event, storage::Seq seq) {
  const KeyEvent& item = event.items.front();
  if (went_before(item.id)) return {};
  KeyEntry* entry = keys.find(item.id);
  if (entry == nullptr) {
    entry = item.id <= keys.end_id() && item.id < kMaxKeys ? keys.add_at(item.id, event.key) : nullptr;
    if (entry == nullptr) {
      return contradiction("configures a new key under an id that is not free, or a key that has another id", seq);
    }
  }
  if (entry->key.view() != event.key) return contradiction("configures a key under the id of another one", seq);
  if (seq <= entry->last_seq) return {};
  if (entry->kind == KeyKind::kPattern) return contradiction("configures a pattern as a key", seq);
  if (entry->kind == KeyKind::kBorn) entry->follow_patterns();
  algorithm::State next = entry->usage.state;
  if (!algorithm::restore(next, item.after, event.limit, 0, event.at.time)) {
    return contradiction("leaves a key in a state that its limit does not allow", seq);
  }
  entry->change_limit(limits.rule(event.limit, event.mode), std::move(next), event.at.time);
  keys.set_kind(*entry, KeyKind::kSet);
  entry->from_file = event.part && event.part->from_file;
  entry->note_record(seq, item.denials);
  return {};
}

/// A snapshot is written while checks continue, so an entry may be newer than the snapshot's position, from which
/// replay starts. Each key therefore remembers its last record, and a record that is not newer changes nothing of that
/// key: its counters would be added twice. The states alone could be stored again, since a record holds the state after
/// the event.
Status LimiterState::replay_item(const LogEvent& event, const KeyEvent& item, storage::Seq seq) {
  if (went_before(item.id)) return {};
  KeyEntry* entry = keys.find(item.id);
  if (entry == nullptr) return contradiction("names a key that no record before it brings to life", seq);
  if (seq <= entry->last_seq) return {};
  if (entry->kind == KeyKind::kBorn) entry->follow_patterns();
  switch (event.type) {
    case EventType::kAllowed:
      if (entry->kind == KeyKind::kPattern) return contradiction("charges a pattern", seq);
      entry->work_off(item.cost, event.at.time);
      if (!algorithm::restore(entry->usage.state, item.after, entry->limit(), item.cost, event.at.time)) {
        return contradiction("leaves a key in a state that its limit does not allow", seq);
      }
      entry->add_allowed(item.cost, event.at.wall);
      break;
    case EventType::kReset:
      entry->reset(event.at.time);
      entry->note_reset(event.at.wall);
      break;
    case EventType::kModeChanged:
      if (entry->kind != KeyKind::kSet || entry->limit() != event.limit) {
        return contradiction("changes the mode of another limit than the key has", seq);
      }
      entry->change_mode(limits.rule(event.limit, event.mode));
      entry->from_file = event.part && event.part->from_file;
      break;
    case EventType::kWouldDeny:
      entry->add_would_deny(item.denials);
      entry->last_seq = seq;
      return {};
    case EventType::kDenied:
    case EventType::kConfigured:
    case EventType::kTime:
    case EventType::kClock:
    case EventType::kAllowedByRules:
    case EventType::kForgotten:
    case EventType::kPattern:
    case EventType::kAllowedOnce:
    case EventType::kAllowedByRulesOnce:
    case EventType::kCharged:
    case EventType::kReserved:
    case EventType::kSettled:
    case EventType::kExpired:
      break;
  }
  entry->note_record(seq, item.denials);
  return {};
}

Status LimiterState::replay_ruled(const LogEvent& event, const RuledItem& item, storage::Seq seq, const Hold* hold) {
  if (went_before(item.id)) return {};
  KeyEntry* entry = keys.find(item.id);
  if (!item.born.empty() && entry != nullptr && seq > entry->last_seq) {
    return contradiction("brings a key to life under the id of another one", seq);
  }
  if (!item.born.empty() && entry == nullptr) {
    entry = item.id <= keys.end_id() && item.id < kMaxKeys ? keys.add_at(item.id, item.born) : nullptr;
    if (entry == nullptr) return contradiction("brings a key to life that is there, or under a wrong id", seq);
    keys.set_kind(*entry, KeyKind::kBorn);
  }
  if (entry == nullptr) return contradiction("names a key that no record before it brings to life", seq);
  if (seq <= entry->last_seq) return {};
  if (entry->kind == KeyKind::kPattern) return contradiction("charges a pattern", seq);
  return apply_charge(*entry, item, event.at, seq, hold);
}

Status LimiterState::replay_usages(KeyEntry& entry, const RuledItem& item, const Moment& at, storage::Seq seq) {
  const bool is_new = !entry.usage.rule.is_set();
  if (!is_new) {
    entry.follow_patterns();
    entry.work_off(item.cost, at.time);
  }
  if (entry.kind == KeyKind::kSet && (item.usages.size() > 1 || item.usages.front().limit != entry.limit())) {
    return contradiction("charges a key by another limit than its own", seq);
  }
  boost::container::static_vector<Usage, kMaxUsages> usages;
  for (const RecordedUsage& recorded : item.usages) {
    Rule rule = recorded.version == 0 ? limits.rule(recorded.limit) : limits.version(recorded.version, recorded.limit);
    // The record does not tell its mode.
    if (entry.kind == KeyKind::kSet) rule = entry.usage.rule;
    if (!rule.is_set()) return contradiction("names a version of a pattern with another limit than it has", seq);
    Usage* before = is_new ? nullptr : entry.find_usage(rule);
    Usage after{rule, before != nullptr ? std::move(before->state) : algorithm::fresh(recorded.limit, at.time)};
    if (!algorithm::restore(after.state, recorded.after, recorded.limit, item.cost, at.time)) {
      return contradiction("leaves a key in a state that its rule does not allow", seq);
    }
    usages.push_back(std::move(after));
  }
  entry.set_usages(usages);
  return {};
}

Status LimiterState::replay_counters(const ForgottenKey& key, storage::Seq seq) {
  if (key.why == ForgottenKey::Why::kForgottenCarried) carried.add(key.counters);
  if (key.why != ForgottenKey::Why::kForgottenByPattern || went_before(key.pattern)) return {};
  KeyEntry* pattern = keys.find(key.pattern);
  if (pattern == nullptr || pattern->kind != KeyKind::kPattern) {
    return contradiction("adds counters to a pattern that is not there", seq);
  }
  if (seq > pattern->last_seq) pattern->add_counters(key.counters);
  return {};
}

Status LimiterState::replay_forgotten(const ForgottenKey& key, storage::Seq seq) {
  if (key.why == ForgottenKey::Why::kForgottenByPattern && !went_before(key.pattern)) {
    KeyEntry& pattern = *keys.find(key.pattern);
    pattern.last_seq = std::max(pattern.last_seq, seq);
  }
  if (gone_.erase(key.id) > 0) return {};
  KeyEntry* entry = keys.find(key.id);
  if (entry == nullptr) return contradiction("forgets a key that is not there", seq);
  if (entry->kind == KeyKind::kPattern) return contradiction("forgets a pattern as a key", seq);
  if (seq > entry->last_seq) remove(*entry);
  return {};
}

/// The version before is looked for by its number and not at the pattern, which a snapshot may hold as it was later: a
/// key that is in it as it was earlier has still to follow.
Status LimiterState::replay_pattern(const LogEvent& event, storage::Seq seq) {
  const PatternEvent& change = event.pattern;
  Rule replaced = change.replaces == 0 ? Rule() : limits.find_version(change.replaces);
  if (change.deleted) {
    if (replaced.is_set()) replaced.end();
    if (gone_.erase(change.id) > 0) return {};
    KeyEntry* pattern = keys.find(change.id);
    if (pattern == nullptr || pattern->kind != KeyKind::kPattern || pattern->key.view() != change.name) {
      return contradiction("deletes a pattern that is not there", seq);
    }
    if (seq > pattern->last_seq) remove(*pattern);
    return {};
  }
  Rule version = limits.version(seq, change.limit);
  if (!version.is_set()) return contradiction("makes a version of a pattern with another limit than a key has", seq);
  version.set_overrides(change.overrides);
  version.set_mode(change.mode);
  if (replaced.is_set() && replaced.is_current()) {
    replaced.be_succeeded_by(version, {event.at.time, event.at.wall, change.resets});
  }
  if (went_before(change.id)) return {};
  KeyEntry* pattern = keys.find(change.id);
  if (pattern == nullptr) {
    pattern = change.id <= keys.end_id() && change.id < kMaxKeys ? keys.add_at(change.id, change.name) : nullptr;
    if (pattern == nullptr) return contradiction("sets a new pattern under an id that is not free", seq);
    keys.set_kind(*pattern, KeyKind::kPattern);
  }
  if (pattern->kind != KeyKind::kPattern || pattern->key.view() != change.name) {
    return contradiction("sets a pattern under the id of another key", seq);
  }
  if (seq <= pattern->last_seq) return {};
  if (pattern->usage.rule.is_set()) patterns.remove(*pattern);
  pattern->usage.rule = version;
  patterns.add(*pattern);
  if (change.resets) pattern->note_reset(event.at.wall);
  if (!change.resets) pattern->from_file = event.part && event.part->from_file;
  pattern->note_record(seq, change.denials);
  return {};
}

void LimiterState::remove(KeyEntry& entry) {
  if (entry.kind == KeyKind::kPattern) patterns.remove(entry);
  if (entry.id >= cursor_.next && is_in_snapshot(entry)) cursor_.gone.push_back(entry.id);
  keys.remove(entry);
}

void LimiterState::begin_snapshot() {
  cursor_ = {.time = time,
             .carried = carried,
             .next = 0,
             .written = 0,
             .end = static_cast<KeyId>(keys.end_id()),
             .generation = keys.begin_generation(),
             .started = false,
             .has_keys = true,
             .requests_after = 0,
             .reservations_after = 0,
             .has_requests = requests.last_seq() > 0,
             .has_reservations = holds.size() > 0,
             .last_request = requests.last_seq(),
             .copied = {},
             .gone = {}};
}

KeyEntry* LimiterState::next_key(std::size_t& looks) {
  for (; looks > 0 && cursor_.next < cursor_.end; --looks, ++cursor_.next) {
    KeyEntry* entry = keys.find(cursor_.next);
    if (entry != nullptr && is_in_snapshot(*entry)) return entry;
  }
  return nullptr;
}

bool LimiterState::add_key(KeyEntry& entry, EntryBuffer& piece) {
  if (entry.kind == KeyKind::kBorn) entry.follow_patterns();
  bool is_long = false;
  entry.for_each_window([&](const Usage& usage, std::size_t, std::size_t window) {
    const algorithm::SlidingLog* log = algorithm::log_of(usage.state, window);
    is_long = is_long || (log != nullptr && log->size() > kRunsEncodedAtOnce);
  });
  if (!is_long) {
    // A reset, or a change of its limit, may have left few of many.
    cursor_.copied = {};
    piece.add_key(entry);
    return true;
  }
  if (!copy_runs(entry, cursor_.copied)) return false;
  piece.add_key_alone(entry);
  return true;
}

/// More of the runs of all windows of all usages; true once they are as the key is now.
bool LimiterState::copy_runs(const KeyEntry& entry, CopiedRuns& copied) {
  bool is_complete = true;
  std::size_t at = 0;
  entry.for_each_window([&](const Usage& usage, std::size_t number, std::size_t window) {
    if (at == copied.logs.size()) copied.logs.emplace_back();
    CopiedRuns::Log& copy = copied.logs[at++];
    if (copy.version != usage.rule.version() || copy.limit != usage.limit() || copy.window != window) {
      copy = {.version = usage.rule.version(), .limit = usage.limit(), .window = window, .runs = {}};
    }
    copy.usage = number;
    const algorithm::SlidingLog* log = algorithm::log_of(usage.state, window);
    if (log != nullptr && !log->copy_more(copy.runs, kRunsCopiedAtOnce)) is_complete = false;
  });
  copied.logs.resize(at);
  return is_complete;
}

/// One piece of a snapshot. Each piece is one short hold of the mutex, so checks run in between, and the pieces do not
/// show one instant. That is sound because an entry says up to which record it is current, and because the store makes
/// all those records durable before the snapshot counts. Keys that come to life after begin_snapshot() are left out:
/// the records that replay starts with bring them. What takes long, encoding the runs of a long sliding log and handing
/// the bytes out, is done without the mutex.
bool LimiterState::next_entries(const std::function<void(std::span<const std::byte>)>& emit) {
  if (!cursor_.has_keys && cursor_.has_requests) return next_requests(emit);
  if (!cursor_.has_keys) return next_reservations(emit);
  EntryBuffer piece;
  if (!cursor_.started) {
    piece.add_time(cursor_.time);
    piece.add_totals(cursor_.carried);
  }
  cursor_.started = true;
  KeyId last = 0;
  KeyKind kind = KeyKind::kSet;
  bool ends_with_copied = false;
  bool more = false;
  std::vector<KeyId> gone;
  {
    base::MutexLock lock(mutex_);
    std::size_t looks = kLooksAtOnce;
    for (KeyId n = 0; n < kKeysAtOnce && piece.bytes() < kBytesAtOnce && !ends_with_copied; ++n) {
      KeyEntry* entry = next_key(looks);
      if (entry == nullptr || !add_key(*entry, piece)) break;
      cursor_.next = entry->id + 1;
      cursor_.written = entry->id + 1;
      last = entry->id;
      kind = entry->kind;
      ends_with_copied = !cursor_.copied.empty();
    }
    more = cursor_.next < cursor_.end;
    if (!more) {
      gone = std::exchange(cursor_.gone, {});
    }
  }
  if (ends_with_copied) piece.add_runs(last, kind, std::exchange(cursor_.copied, {}));
  piece.add_gone(gone);
  if (!more && cursor_.written < cursor_.end) piece.add_ids(cursor_.end);
  piece.for_each(emit);
  cursor_.has_keys = more;
  return more || cursor_.has_requests || cursor_.has_reservations;
}

/// Requests whose records are behind the position are left out: the records that replay starts with bring them.
bool LimiterState::next_requests(const std::function<void(std::span<const std::byte>)>& emit) {
  EntryBuffer piece;
  bool more = false;
  {
    base::MutexLock lock(mutex_);
    requests.for_each_after(cursor_.requests_after, kKeysAtOnce, [&](const RememberedRequest& request) {
      cursor_.requests_after = request.seq;
      more = request.seq < cursor_.last_request;
      if (request.seq <= cursor_.last_request && !requests.is_too_old(request)) piece.add_request(request);
    });
  }
  piece.for_each(emit);
  cursor_.has_requests = more;
  return more || cursor_.has_reservations;
}

/// As they are now, each with the last record that tells of it: replay passes over the records before.
bool LimiterState::next_reservations(const std::function<void(std::span<const std::byte>)>& emit) {
  EntryBuffer piece;
  std::size_t seen = 0;
  {
    base::MutexLock lock(mutex_);
    holds.for_each_after(cursor_.reservations_after, kKeysAtOnce, [&](const Reservation& reservation) {
      cursor_.reservations_after = reservation.id.number;
      ++seen;
      if (reservation.known_until() > time.last) piece.add_reservation(reservation);
    });
  }
  piece.for_each(emit);
  return seen == kKeysAtOnce;
}

}  // namespace flint::limiter
