#include <fmt/format.h>

#include "limiter/engine.h"

/// What an operator does to limits: set, change, reset, delete.
namespace flint {

Status validate_named_limit(const NamedLimit& limit) {
  if (Status valid = validate_key(limit.key); !valid.ok()) return valid;
  if (limit.options.overrides && !is_pattern(limit.key)) {
    return Status::of_field("override",
                            "is for patterns, whose names end in *: a limit that is set for a key always holds.");
  }
  return validate_limit(limit.limit);
}

}  // namespace flint

namespace flint::limiter {
namespace {

constexpr std::size_t kNamesAtOnce = 64;

}  // namespace

bool has_misplaced_star(std::string_view key) noexcept {
  return key.substr(0, key.size() - 1).find('*') != std::string_view::npos;
}

Status misplaced_star(std::string_view key) {
  return {Code::kInvalidArgument,
          fmt::format("key \"{}\" has a * that is not its last character: a pattern is a beginning and one *, as in "
                      "\"ip:*\".",
                      key)};
}

namespace {

void normalize_window(Limit& window) noexcept {
  if (window.burst == window.rate) window.burst.reset();
  if (window.timezone == "UTC") window.timezone.clear();
}

}  // namespace

Status validate_ttl(Nanos ttl) {
  if (ttl >= kMinReservationTtl && ttl <= kMaxReservationTtl && ttl % std::chrono::milliseconds(1) == Nanos(0)) {
    return {};
  }
  return Status::of_field("ttl", "must be from 1 ms to 366 days, in whole milliseconds.");
}

Limit normalized(Limit limit) noexcept {
  normalize_window(limit);
  for (Limit& window : limit.further) normalize_window(window);
  return limit;
}

/// A new key is in the table before its record is in the log: it has its id from there, and is looked up once. Nobody
/// sees it before it is configured, since all of this is one hold of the mutex; when the record cannot be logged, it is
/// removed again.
Result<Ticket> Engine::limit(std::string_view key, const Limit& wanted, const LimitOptions& options) {
  if (Status open = check_open(); !open.ok()) return open;
  if (Status valid = validate_named_limit({key, wanted, options}); !valid.ok()) return valid;

  base::MutexLock lock(mutex_);
  if (has_misplaced_star(key) && state_.keys.find(key) == nullptr) return misplaced_star(key);
  const auto [entry, is_new] = state_.keys.find_or_add(key);
  if (entry == nullptr) return Status(Code::kInvalidArgument, "the data directory holds as many keys as it can.");
  const Moment at = clock_->now();
  if (is_new && is_pattern(key)) state_.keys.set_kind(*entry, KeyKind::kPattern);
  LimitStep step{.entry = entry,
                 .is_new = is_new,
                 .overrides = overrides(options),
                 .mode = options.mode,
                 .limit = normalized(wanted)};
  if (!is_new && is_so(*entry, step)) return ticket(entry->last_seq, at);
  if (Status changeable = check_changeable(*entry); !changeable.ok()) return changeable;
  decide(step, at);
  Result<Ticket> done = log_and_apply(step, at);
  if (is_new && !done.ok()) state_.keys.remove(*entry);
  return done;
}

EventType Engine::LimitStep::type() const noexcept {
  if (is_of_pattern()) return EventType::kPattern;
  if (removes) return EventType::kForgotten;
  return keeps_limit() ? EventType::kModeChanged : EventType::kConfigured;
}

bool overrides(const LimitOptions& options) noexcept { return options.overrides || options.mode != Mode::kEnforce; }

bool Engine::is_so(const KeyEntry& entry, const LimitStep& step) noexcept {
  if (entry.kind == KeyKind::kBorn || entry.limit() != step.limit || entry.usage.rule.mode() != step.mode) return false;
  return entry.kind == KeyKind::kSet || entry.usage.rule.overrides() == step.overrides;
}

Status Engine::check_changeable(const KeyEntry& entry) const {
  if (!has_limits_file_ || !entry.from_file) return {};
  return {Code::kConflict,
          fmt::format("the limit of \"{}\" comes from the limits file: change it there.", entry.key.view())};
}

void Engine::decide(LimitStep& step, const Moment& at) {
  KeyEntry& entry = *step.entry;
  if (step.removes || step.is_of_pattern() || step.keeps_limit()) return;
  if (entry.kind == KeyKind::kBorn) entry.follow_patterns();
  step.next = step.is_new ? algorithm::fresh(step.limit, at.time)
                          : algorithm::reconfigure(entry.usage.state, entry.limit(), step.limit, at.time);
}

void Engine::write(const LimitStep& step, const Moment& at, EventWriter& event) {
  const KeyEntry& entry = *step.entry;
  const Usage& usage = entry.usage;
  const Denials denials = pending_.of(entry);
  if (step.is_of_pattern()) {
    event.pattern({.id = entry.id,
                   .denials = step.removes ? Denials() : denials,
                   .name = entry.key,
                   .replaces = step.is_new ? 0 : usage.rule.version(),
                   .deleted = step.removes,
                   .overrides = step.overrides,
                   .mode = step.mode,
                   .resets = step.resets,
                   .limit = step.limit});
  } else if (step.removes) {
    event.forgotten({.id = entry.id, .denials = denials});
  } else if (step.keeps_limit()) {
    event.mode_changed({.id = entry.id, .denials = denials, .after = {.algorithm = step.limit.algorithm}}, step.limit,
                       step.mode);
  } else {
    windows_.clear();
    event.configured({.id = entry.id,
                      .cost = 0,
                      .denials = denials,
                      .after = step.is_new ? algorithm::describe(step.next, step.limit, at.time, windows_)
                                           : algorithm::describe_reconfigured(step.next, usage.state, usage.limit(),
                                                                              step.limit, at.time, windows_)},
                     entry.key, step.limit, step.mode);
  }
}

/// A changed pattern gets a version, and its keys follow at their next use.
void Engine::apply(LimitStep& step, storage::Seq seq, const Moment& at) {
  KeyEntry& entry = *step.entry;
  Usage& usage = entry.usage;
  if (step.removes) {
    if (step.is_of_pattern()) {
      usage.rule.end();
      tallies_.remove(entry.key);
    }
    return drop(entry);
  }
  const bool was_born = entry.kind == KeyKind::kBorn;
  if (was_born) note_name(entry, false);
  if (step.is_of_pattern()) {
    Rule version = state_.limits.version(seq, step.limit);
    version.set_overrides(step.overrides);
    version.set_mode(step.mode);
    if (!step.is_new) {
      usage.rule.be_succeeded_by(version, {at.time, at.wall, step.resets});
      state_.patterns.remove(entry);
    }
    usage.rule = version;
    tally_of(entry);
    state_.patterns.add(entry);
    if (step.resets) entry.note_reset(at.wall);
  } else if (step.keeps_limit()) {
    entry.change_mode(state_.limits.rule(step.limit, step.mode));
  } else {
    entry.change_limit(state_.limits.rule(step.limit, step.mode), std::move(step.next), at.time);
    state_.keys.set_kind(entry, KeyKind::kSet);
  }
  entry.from_file = step.from_file;
  if (was_born || step.is_new) note_name(entry, true);
  note_record(entry, seq);
}

Result<Ticket> Engine::log_and_apply(LimitStep& step, const Moment& at) {
  EventWriter event(step.type(), at);
  write(step, at, event);
  const Result<storage::Seq> seq = append(event, at);
  if (!seq.ok()) return seq.status();
  apply(step, *seq, at);
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
    LimitStep step{.entry = &entry,
                   .from_file = entry.from_file,
                   .overrides = rule.overrides(),
                   .mode = rule.mode(),
                   .resets = true,
                   .limit = rule.limit()};
    return log_and_apply(step, at);
  }
  if (entry.kind == KeyKind::kBorn) entry.follow_patterns();
  EventWriter event(EventType::kReset, at);
  event.reset({.id = entry.id, .denials = pending_.of(entry), .after = {.algorithm = entry.limit().algorithm}});
  const Result<storage::Seq> seq = append(event, at);
  if (!seq.ok()) return seq.status();
  entry.reset(at.time);
  note_record(entry, *seq);
  entry.note_reset(at.wall);
  return ticket(*seq, at);
}

Result<Ticket> Engine::remove(std::string_view key) {
  if (Status open = check_open(); !open.ok()) return open;
  base::MutexLock lock(mutex_);
  KeyEntry* entry = state_.keys.find(key);
  if (entry == nullptr) return no_limit(key);
  if (Status changeable = check_changeable(*entry); !changeable.ok()) return changeable;
  return remove(*entry, clock_->now());
}

Result<Ticket> Engine::remove(KeyEntry& entry, const Moment& at) {
  LimitStep step{.entry = &entry, .removes = true};
  return log_and_apply(step, at);
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
        if (changed.code() == Code::kConflict) continue;  // the limits file keeps it
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
  return for_prefix(prefix, [this](KeyEntry& entry, const Moment& at) FLINT_REQUIRES(mutex_) -> Result<Ticket> {
    const Status changeable = check_changeable(entry);
    return changeable.ok() ? remove(entry, at) : changeable;
  });
}

}  // namespace flint::limiter
