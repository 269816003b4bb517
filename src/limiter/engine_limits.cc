#include <fmt/format.h>

#include "limiter/engine.h"

/// What an operator does to limits: set, change, reset, delete.
namespace flint::limiter {
namespace {

constexpr std::size_t kNamesAtOnce = 64;

Status check_name(std::string_view key, const LimitOptions& options) {
  if (Status valid = validate_key(key); !valid.ok()) return valid;
  if (options.overrides && !is_pattern(key)) {
    return Status::of_field("override",
                            "is for patterns, whose names end in *: a limit that is set for a key always holds.");
  }
  return {};
}

Status misplaced_star(std::string_view key) {
  return {Code::kInvalidArgument,
          fmt::format("key \"{}\" has a * that is not its last character: a pattern is a beginning and one *, as in "
                      "\"ip:*\".",
                      key)};
}

}  // namespace

namespace {
void normalize_window(Limit& window) noexcept {
  if (window.burst == window.rate) window.burst.reset();
  if (window.timezone == "UTC") window.timezone.clear();
}
}  // namespace

Limit normalized(Limit limit) noexcept {
  normalize_window(limit);
  for (Limit& window : limit.further) normalize_window(window);
  return limit;
}

Result<Ticket> Engine::limit(std::string_view key, const Limit& wanted, const LimitOptions& options) {
  if (Status open = check_open(); !open.ok()) return open;
  if (Status valid = check_name(key, options); !valid.ok()) return valid;
  if (Status valid = validate_limit(wanted); !valid.ok()) return valid;
  const Limit limit = normalized(wanted);

  base::MutexLock lock(mutex_);
  const bool has_misplaced_star = key.substr(0, key.size() - 1).find('*') != std::string_view::npos;
  if (has_misplaced_star && state_.keys.find(key) == nullptr) return misplaced_star(key);
  const auto [entry, is_new] = state_.keys.find_or_add(key);
  if (entry == nullptr) return Status(Code::kInvalidArgument, "the data directory holds as many keys as it can.");
  const Moment at = clock_->now();
  if (is_new && is_pattern(key)) state_.keys.set_kind(*entry, KeyKind::kPattern);
  Result<Ticket> done = Ticket{};
  if (entry->kind == KeyKind::kPattern) {
    const bool overrides = options.overrides || options.mode != Mode::kEnforce;
    done = change_pattern(*entry, {.overrides = overrides, .mode = options.mode, .limit = limit}, at);
  } else {
    done = configure(*entry, is_new, limit, options.mode, at);
  }
  if (is_new && !done.ok()) state_.keys.remove(*entry);
  return done;
}

/// A new key is in the table before its record is in the log: it has its id from there, and is looked up once. Nobody
/// sees it before it is configured, since all of this is one hold of the mutex; when the record cannot be logged, the
/// caller removes it again.
Result<Ticket> Engine::configure(KeyEntry& entry, bool is_new, const Limit& limit, Mode mode, const Moment& at) {
  Usage& usage = entry.usage;
  if (!is_new && entry.kind == KeyKind::kSet && usage.limit() == limit) return change_mode(entry, mode, at);
  if (entry.kind == KeyKind::kBorn) entry.follow_patterns();
  algorithm::State next =
      is_new ? algorithm::fresh(limit, at.time) : algorithm::reconfigure(usage.state, usage.limit(), limit, at.time);
  windows_.clear();
  EventWriter event(EventType::kConfigured, at);
  event.configured(
      {.id = entry.id,
       .cost = 0,
       .denials = pending_.of(entry),
       .after = is_new ? algorithm::describe(next, limit, at.time, windows_)
                       : algorithm::describe_reconfigured(next, usage.state, usage.limit(), limit, at.time, windows_)},
      entry.key, limit, mode);
  const Result<storage::Seq> seq = append(event, at);
  if (!seq.ok()) return seq.status();
  const bool was_born = entry.kind == KeyKind::kBorn;
  if (was_born) note_name(entry, false);
  usage = {state_.limits.rule(limit, mode), std::move(next)};
  entry.others.reset();
  state_.keys.set_kind(entry, KeyKind::kSet);
  if (was_born || is_new) note_name(entry, true);
  note_record(entry, *seq);
  return ticket(*seq, at);
}

Result<Ticket> Engine::change_mode(KeyEntry& entry, Mode mode, const Moment& at) {
  if (entry.usage.rule.mode() == mode) return ticket(entry.last_seq, at);
  EventWriter event(EventType::kModeChanged, at);
  const Limit limit = entry.limit();
  event.mode_changed({.id = entry.id, .denials = pending_.of(entry), .after = {.algorithm = limit.algorithm}}, limit,
                     mode);
  const Result<storage::Seq> seq = append(event, at);
  if (!seq.ok()) return seq.status();
  entry.usage.rule = state_.limits.rule(limit, mode);
  note_record(entry, *seq);
  return ticket(*seq, at);
}

/// Makes a version of the pattern; none if it says what the one before does. Its keys follow at their next use.
Result<Ticket> Engine::change_pattern(KeyEntry& entry, const PatternEvent& change, const Moment& at) {
  Rule before = entry.usage.rule;
  const bool is_new = !before.is_set();
  if (!is_new && !change.resets && before.limit() == change.limit && before.overrides() == change.overrides &&
      before.mode() == change.mode) {
    return ticket(entry.last_seq, at);
  }
  PatternEvent told = change;
  told.id = entry.id;
  told.denials = pending_.of(entry);
  told.name = entry.key;
  told.replaces = is_new ? 0 : before.version();
  EventWriter event(EventType::kPattern, at);
  event.pattern(told);
  const Result<storage::Seq> seq = append(event, at);
  if (!seq.ok()) return seq.status();
  Rule version = state_.limits.version(*seq, change.limit);
  version.set_overrides(change.overrides);
  version.set_mode(change.mode);
  if (!is_new) {
    before.be_succeeded_by(version, {at.time, at.wall, change.resets});
    state_.patterns.remove(entry);
  }
  entry.usage.rule = version;
  state_.patterns.add(entry);
  if (is_new) note_name(entry, true);
  if (change.resets) entry.counters.last_reset_at = at.wall;
  note_record(entry, *seq);
  return ticket(*seq, at);
}

Result<Ticket> Engine::reset(std::string_view key) {
  if (Status open = check_open(); !open.ok()) return open;
  base::MutexLock lock(mutex_);
  KeyEntry* entry = state_.keys.find(key);
  if (entry != nullptr) return reset(*entry, clock_->now());
  // A key that a pattern matches has all of its quota already.
  const bool matches = !is_pattern(key) && validate_key(key).ok() && state_.patterns.find(key, false) != nullptr;
  return matches ? Result<Ticket>(Ticket{}) : no_limit(key);
}

Result<Ticket> Engine::reset(KeyEntry& entry, const Moment& at) {
  if (entry.kind == KeyKind::kPattern) {
    const Rule rule = entry.usage.rule;
    return change_pattern(
        entry, {.overrides = rule.overrides(), .mode = rule.mode(), .resets = true, .limit = rule.limit()}, at);
  }
  if (entry.kind == KeyKind::kBorn) entry.follow_patterns();
  EventWriter event(EventType::kReset, at);
  event.reset({.id = entry.id, .denials = pending_.of(entry), .after = {.algorithm = entry.limit().algorithm}});
  const Result<storage::Seq> seq = append(event, at);
  if (!seq.ok()) return seq.status();
  entry.for_each_usage([&](Usage& usage) { usage.state = algorithm::fresh(usage.limit(), at.time); });
  note_record(entry, *seq);
  entry.counters.last_reset_at = at.wall;
  return ticket(*seq, at);
}

Result<Ticket> Engine::remove(std::string_view key) {
  if (Status open = check_open(); !open.ok()) return open;
  base::MutexLock lock(mutex_);
  KeyEntry* entry = state_.keys.find(key);
  return entry == nullptr ? Result<Ticket>(no_limit(key)) : remove(*entry, clock_->now());
}

Result<Ticket> Engine::remove(KeyEntry& entry, const Moment& at) {
  const bool is_rule = entry.kind == KeyKind::kPattern;
  EventWriter event(is_rule ? EventType::kPattern : EventType::kForgotten, at);
  if (is_rule) {
    event.pattern({.id = entry.id, .name = entry.key, .replaces = entry.usage.rule.version(), .deleted = true});
  } else {
    event.forgotten({.id = entry.id, .denials = pending_.of(entry)});
  }
  const Result<storage::Seq> seq = append(event, at);
  if (!seq.ok()) return seq.status();
  if (is_rule) entry.usage.rule.end();
  drop(entry);
  return ticket(*seq, at);
}

template <typename Change>
Result<Deferred<std::uint64_t>> Engine::for_prefix(std::string_view prefix, const Change& change) {
  if (prefix.empty()) {
    return Status::of_field("prefix", "must not be empty: that would be every limit and every key.");
  }
  Deferred<std::uint64_t> done{.value = 0, .ticket = {}};
  for (const bool born : {false, true}) {
    std::string from(prefix);
    for (bool inclusive = true;; inclusive = false) {
      if (Status open = check_open(); !open.ok()) return open;
      const std::vector<std::string> names = in_order(born, prefix, from, inclusive, kNamesAtOnce);
      if (names.empty()) break;
      from = names.back();
      base::MutexLock lock(mutex_);
      const Moment at = clock_->now();
      for (const std::string& name : names) {
        KeyEntry* entry = state_.keys.find(name);
        if (entry == nullptr) continue;
        const Result<Ticket> changed = change(*entry, at);
        if (!changed.ok()) return changed.status();
        done.ticket.seq = std::max(done.ticket.seq, changed->seq);
        ++done.value;
      }
    }
  }
  return done;
}

Result<Deferred<std::uint64_t>> Engine::reset_prefix(std::string_view prefix) {
  return for_prefix(prefix,
                    [this](KeyEntry& entry, const Moment& at) FLINT_REQUIRES(mutex_) { return reset(entry, at); });
}

Result<Deferred<std::uint64_t>> Engine::remove_prefix(std::string_view prefix) {
  return for_prefix(prefix,
                    [this](KeyEntry& entry, const Moment& at) FLINT_REQUIRES(mutex_) { return remove(entry, at); });
}

}  // namespace flint::limiter
