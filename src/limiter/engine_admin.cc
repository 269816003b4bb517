#include <fmt/format.h>

#include "base/calendar.h"
#include "base/period.h"
#include "limiter/engine.h"
#include "storage/import_mark.h"
#include "storage/inspect.h"

/// What the engine asks of its storage: waiting, flushing, compaction, closing, how all of it is doing, and an import.
namespace flint::limiter {

Status belongs_to_parent() {
  return {Code::kClosed, "this Limiter belongs to the parent process: open one in the child after fork."};
}

Status no_limit(std::string_view key) {
  if (Status valid = validate_key(key); !valid.ok()) return valid;
  return {Code::kLimitNotFound, fmt::format("no limit is configured for key \"{}\".", key)};
}

Status Engine::wait(Ticket ticket) {
  if (ticket.seq == 0) return {};
  return is_ours() ? store_->wait(ticket.seq) : belongs_to_parent();
}

void Engine::when_durable(Ticket ticket, std::function<void(const Status&)> done) {
  if (ticket.seq == 0) return done(Status());
  if (!is_ours()) return done(belongs_to_parent());
  store_->when_durable(ticket.seq, std::move(done));
}

bool Engine::is_durable(Ticket ticket) const noexcept { return ticket.seq <= store_->durable_seq(); }

Status Engine::compact() {
  if (Status open = check_open(); !open.ok()) return open;
  return store_->compact();
}

Status Engine::flush() {
  if (Status open = check_open(); !open.ok()) return open;
  return store_->flush();
}

Status Engine::tick() { return is_ours() ? store_->tick() : belongs_to_parent(); }

Status Engine::health() const {
  if (Status open = check_open(); !open.ok()) return open;
  return store_->health();
}

Stats Engine::stats() {
  Stats stats = is_ours() ? store_->stats() : Stats();
  if (!check_open().ok()) return stats;
  base::MutexLock lock(mutex_);
  stats.keys = state_.keys.size();
  stats.born_keys = state_.keys.born();
  stats.keys_full = keys_full_;
  add_rules(stats);
  stats.reservations = state_.holds.held();
  stats.reservations_expired = reservations_expired_;
  stats.reservations_full = reservations_full_;
  stats.request_ids = state_.requests.size();
  stats.request_ids_dropped = state_.requests.dropped();
  stats.oldest_unsynced = unsynced_->age(store_->last_seq(), clock_->now().time);
  return stats;
}

void Engine::add_rules(Stats& stats) {
  const RuleTally sum = tallies_.sum();
  stats.allowed = sum.allowed;
  stats.denied = sum.denied;
  stats.would_deny = sum.would_deny;
  stats.forgotten_keys = sum.forgotten;
  const auto add = [&](std::string_view rule, const RuleTally& tally, std::optional<std::uint64_t> keys = {}) {
    stats.rules.push_back({.rule = std::string(rule),
                           .allowed = tally.allowed,
                           .denied = tally.denied,
                           .would_deny = tally.would_deny,
                           .forgotten_keys = tally.forgotten,
                           .keys = keys});
  };
  add(kExactRules, tallies_.exact());
  add(kCarriedRules, tallies_.carried());
  for (const auto& [name, tally] : tallies_.patterns()) add(name, tally, state_.keys.find(name)->usage.rule.usages());
  if (!(tallies_.other() == RuleTally())) add(kOtherRules, tallies_.other());
  const Counters& carried = state_.carried;
  stats.forgotten_carried = {.allowed = carried.allowed,
                             .denied = carried.denied,
                             .allowed_cost = carried.allowed_cost,
                             .denied_cost = carried.denied_cost,
                             .would_deny = carried.would_deny};
}

DoctorReport Engine::doctor() {
  const Stats store = is_ours() ? store_->stats() : Stats();
  DoctorReport report;
  report.data_dir = directory_->path();
  report.log_bytes = store.log_bytes;
  report.snapshot_exists = store.snapshot_bytes > 0;
  report.snapshot_bytes = store.snapshot_bytes;
  report.last_seq = store.last_seq;
  report.durable_seq = store.durable_seq;
  report.failed = store.failed;
  report.degraded = store.degraded;
  if (is_ours()) report.findings = store_->findings();
  report.findings.insert(report.findings.end(), options_.findings.begin(), options_.findings.end());
  map_files(report);
  const Status open = check_open();
  if (open.ok()) {
    base::MutexLock lock(mutex_);
    report.limits = state_.keys.size();
    for (Finding& finding : clock_->findings()) report.findings.push_back(std::move(finding));
    report_slow_disk(report);
    report_unknown_timezones(report);
  } else {
    report.findings.push_back({false, open.message()});
  }
  report.ok = open.ok() && !report.failed && !report.degraded;
  return report;
}

/// As flint::inspect does it, so that the report of a directory says the same whoever holds it.
void Engine::map_files(DoctorReport& report) {
  if (!check_open().ok()) return;
  std::vector<Status> damage;
  Result<std::vector<FileMap>> files = storage::map_files(*directory_, damage);
  if (!files.ok()) {
    report.findings.push_back({false, files.status().message()});
    return;
  }
  report.files = std::move(*files);
  report.degraded = report.degraded || !damage.empty();
  storage::add_untold(report.findings, damage);
}

void Engine::report_slow_disk(DoctorReport& report) {
  const Nanos age = unsynced_->age(store_->last_seq(), clock_->now().time);
  if (age <= options_.max_unsynced) return;
  report.findings.push_back(
      {false, fmt::format("the disk does not keep up: the oldest event that is not on stable storage is {} old, and "
                          "changes wait. Look at what else uses the disk, and at the kernel's log.",
                          base::format_elapsed(age))});
}

void Engine::report_unknown_timezones(DoctorReport& report) {
  for (const std::string& timezone : state_.limits.timezones()) {
    if (base::is_known_timezone(timezone)) continue;
    report.findings.push_back(
        {false,
         fmt::format("the time zone \"{}\" of a limit is not known on this machine, so the keys of that limit are "
                     "denied: install its zone data (tzdata), or change the limit.",
                     timezone)});
  }
}

/// From the flag on, new calls are refused; those that run hold the mutex or have their record in the log already,
/// which the store makes durable before it marks the close.
Status Engine::close() {
  if (!is_ours()) return belongs_to_parent();
  closed_.store(true, std::memory_order_release);
  return store_->close();
}

/// The order of the steps is what makes a crash harmless. First a mark that keeps the directory from being opened: in
/// the middle of an import it would hold few keys or none. Then the state, as two snapshots. Then the mark goes.
Status Engine::adopt(Keys keys) {
  if (Status open = check_open(); !open.ok()) return open;
  if (Status accepted = check_writable(); !accepted.ok()) return accepted;
  const Result<bool> again = storage::import_is_unfinished(*directory_);
  if (!again.ok()) return again.status();
  {
    base::MutexLock lock(mutex_);
    if (!*again && state_.keys.size() > 0) {
      return {Code::kInvalidArgument,
              fmt::format("{} holds {} limit{} already, and an import goes into a directory "
                          "without any: it replaces nothing. Choose another data directory.",
                          directory_->path(), state_.keys.size(), state_.keys.size() == 1 ? "" : "s")};
    }
  }
  if (Status begun = storage::begin_import(*directory_); !begun.ok()) return begun;
  {
    base::MutexLock lock(mutex_);
    // A log from its first record on would do in place of a damaged snapshot; with this record dropped, none does.
    const Moment at = clock_->now();
    EventWriter event(EventType::kClock, at);
    const BootTime boot = clock_->boot_time(at);
    event.clock(boot);
    const Result<storage::Seq> logged = append(event, at);
    if (!logged.ok()) return logged.status();
    state_.time.note_anchor(at, boot);
    state_.keys = std::move(keys);
  }
  // Twice, because a damaged snapshot gives way to what was before it. Before the first one that is a log that knows no
  // key: everybody would be forgiven.
  for (int snapshot = 0; snapshot < 2; ++snapshot) {
    if (Status compacted = store_->compact(); !compacted.ok()) return compacted;
  }
  return storage::end_import(*directory_);
}

/// Denials reach the log here, at the next tick, unless another record of their key has taken them along. A client that
/// is denied a million times between two ticks thus costs one record, and a crash loses counts but no usage. Keys whose
/// denials another record has taken along are just let go.
Status Engine::log_denials() {
  pending_.drop_taken();
  while (!pending_.empty()) {
    const std::span<const PendingDenials::Item> group = pending_.some(kMaxCheckAllItems);
    const Moment at = clock_->now();
    EventWriter event(EventType::kDenied, at);
    bool has_denials = false;
    for (const PendingDenials::Item& item : group) {
      if (item.denials.count == 0) continue;
      has_denials = true;
      event.denied(
          {.id = item.entry->id, .denials = item.denials, .after = {.algorithm = item.entry->limit().algorithm}});
    }
    if (has_denials) {
      const Result<storage::Seq> seq = append(event, at);
      if (!seq.ok()) return seq.status();
      for (const PendingDenials::Item& item : group) {
        if (item.denials.count > 0) note_record(*item.entry, *seq);
      }
    }
    if (Status logged = log_would_deny(group); !logged.ok()) return logged;
    pending_.drop(group.size());
  }
  return {};
}

Status Engine::log_would_deny(std::span<const PendingDenials::Item> group) {
  const Moment at = clock_->now();
  EventWriter event(EventType::kWouldDeny, at);
  bool is_empty = true;
  for (const PendingDenials::Item& item : group) {
    if (item.would_deny.count == 0) continue;
    is_empty = false;
    event.denied(
        {.id = item.entry->id, .denials = item.would_deny, .after = {.algorithm = item.entry->limit().algorithm}});
  }
  if (is_empty) return {};
  const Result<storage::Seq> seq = append(event, at);
  if (!seq.ok()) return seq.status();
  for (const PendingDenials::Item& item : group) {
    if (item.would_deny.count == 0) continue;
    item.entry->add_would_deny(item.would_deny);
    item.entry->last_seq = *seq;
  }
  return {};
}

/// A jump that only this process saw would be news to each later one: every one of them would begin at the last
/// recorded time anew, and short-lived ones would never see time pass.
void Engine::log_jump() {
  if (options_.mode == OpenMode::kReadOnly) return;
  const Moment at = clock_->now();
  if (state_.time.jumped(at)) log_clock(at);
}

/// Without the record, time that passes until the next open may not count, which refuses more and grants nothing: so a
/// failure here is none of the caller's. One that stops the store meets the caller's own append.
void Engine::log_clock(const Moment& at) {
  EventWriter event(EventType::kClock, at);
  const BootTime boot = clock_->boot_time(at);
  event.clock(boot);
  const Result<storage::Seq> seq = store_->append(event.kind(), event.written());
  if (!seq.ok()) return;
  unsynced_->appended(*seq, at.time);
  state_.time.note(at);
  state_.time.note_anchor(at, boot);
  clock_->set_anchored();
}

}  // namespace flint::limiter
