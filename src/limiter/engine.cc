#include "limiter/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/container/static_vector.hpp>
#include <span>

#include "base/arithmetic.h"

namespace flint::limiter {
namespace {

storage::StoreOptions store_options(const Options& options, storage::StoreOptions tuning) {
  tuning.sync = options.sync;
  tuning.read_only = options.mode == OpenMode::kReadOnly;
  tuning.flush_every = options.flush_every;
  tuning.flush_every_events = options.flush_every_events;
  tuning.max_unsynced = options.max_unsynced;
  tuning.compact_after_bytes = options.compact_after_bytes;
  tuning.lock = {options.lock_timeout, options.keep_waiting, options.stop_opening};
  tuning.allow_network_file_system = options.allow_network_file_system;
  tuning.holder = options.server_address;
  return tuning;
}

/// A burst that says what is so anyway is left out, so that one rule has one form.
Limit normalized(Limit limit) {
  if (limit.burst == limit.rate) limit.burst.reset();
  return limit;
}

std::uint64_t ceil_ms(Nanos time) noexcept {
  return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(time).count());
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::open(std::unique_ptr<io::Directory> directory, const Options& options,
                                             const storage::StoreOptions& tuning) {
  std::unique_ptr<Engine> engine(new Engine(std::move(directory), options));
  if (Status opened = engine->open_store(tuning); !opened.ok()) return opened;
  engine->start_clock();
  return engine;
}

/// The store replays the log into state_ before it returns. Only then is there a clock: where time continues follows
/// from what the log says of it.
Status Engine::open_store(const storage::StoreOptions& tuning) {
  auto store = storage::Store::open(*directory_, state_, mutex_, store_options(options_, tuning));
  if (!store.ok()) return store.status();
  store_ = std::move(*store);
  unsynced_ = &store_->unsynced();
  return {};
}

void Engine::start_clock() {
  base::MutexLock lock(mutex_);
  state_.catch_up_time();
  clock_.emplace(*options_.clock, state_.time);
  log_jump();
}

Engine::Engine(std::unique_ptr<io::Directory> directory, const Options& options)
    : directory_(std::move(directory)),
      options_(options),
      fork_generation_(io::fork_generation()),
      state_(mutex_, [this]() FLINT_REQUIRES(mutex_) { return tick_state(); }) {}

/// A child neither joins the threads of its parent's store nor waits for mutexes that they held at the fork.
Engine::~Engine() {
  if (!is_ours()) {
    static_cast<void>(store_.release());
  } else if (store_ != nullptr) {
    static_cast<void>(close());
  }
}

Status belongs_to_parent() {
  return {Code::kClosed, "this Limiter belongs to the parent process: open one in the child after fork."};
}

Status no_limit(std::string_view key) {
  if (Status valid = validate_key(key); !valid.ok()) return valid;
  return {Code::kLimitNotFound, fmt::format("no limit is configured for key \"{}\".", key)};
}

WallTime shown_reset(const Moment& at, Nanos after) noexcept {
  using std::chrono::milliseconds;
  const WallTime reset_at = base::saturating_add(at.wall, after);
  // The end of the time line cannot be rounded up.
  if (reset_at > WallTime::max() - milliseconds(1)) return std::chrono::floor<milliseconds>(reset_at);
  return std::chrono::ceil<milliseconds>(reset_at);
}

Status Engine::check_open() const {
  if (!is_ours()) [[unlikely]]
    return belongs_to_parent();
  if (closed_.load(std::memory_order_acquire)) return {Code::kClosed, "this Limiter is closed."};
  return {};
}

Status Engine::check_writable() const {
  if (options_.mode == OpenMode::kReadWrite) return store_->health();
  return {Code::kPermission, "this Limiter was opened for reading only: open it for writing to check"};
}

/// In batch there is something to wait for only when the disk does not keep up: the call then ends like one in always.
/// So callers are slowed down outside the mutex, each by its own wait, and the server's threads not at all.
Ticket Engine::ticket(storage::Seq seq, const Moment& at) noexcept {
  return {options_.sync == SyncMode::kAlways || unsynced_->exceeds_most(at.time) ? seq : 0};
}

Result<storage::Seq> Engine::append(const EventWriter& event, const Moment& at) {
  if (!clock_->anchored()) log_clock(at);
  Result<storage::Seq> seq = store_->append(event.kind(), event.written());
  if (seq.ok()) {
    state_.time.note(at);
    unsynced_->appended(*seq, at.time);
  }
  return seq;
}

Result<Ticket> Engine::limit(std::string_view key, const Limit& wanted) {
  if (Status open = check_open(); !open.ok()) return open;
  if (Status valid = validate_key(key); !valid.ok()) return valid;
  if (Status valid = validate_limit(wanted); !valid.ok()) return valid;
  const Limit limit = normalized(wanted);

  base::MutexLock lock(mutex_);
  const auto [entry, is_new] = state_.keys.find_or_add(key);
  if (entry == nullptr) return Status(Code::kInvalidArgument, "the data directory holds as many keys as it can.");
  const Moment at = clock_->now();
  if (!is_new && entry->limit() == limit) return ticket(entry->last_seq, at);
  Result<Ticket> configured = configure(*entry, is_new, limit, at);
  if (is_new && !configured.ok()) state_.keys.remove(*entry);
  return configured;
}

/// A new key is in the table before its record is in the log: it has its id from there, and is looked up once. Nobody
/// sees it before it is configured, since all of this is one hold of the mutex; when the record cannot be logged, the
/// caller removes it again.
Result<Ticket> Engine::configure(KeyEntry& entry, bool is_new, const Limit& limit, const Moment& at) {
  Usage& usage = entry.usage;
  algorithm::State next =
      is_new ? algorithm::fresh(limit, at.time) : algorithm::reconfigure(usage.state, usage.limit(), limit, at.time);
  EventWriter event(EventType::kConfigured, at);
  event.configured({.id = entry.id,
                    .cost = 0,
                    .denials = pending_.of(entry),
                    .after = is_new ? algorithm::describe(next, limit, at.time)
                                    : algorithm::describe_reconfigured(next, usage.limit(), limit, at.time)},
                   entry.key, limit);
  const Result<storage::Seq> seq = append(event, at);
  if (!seq.ok()) return seq.status();
  usage = {state_.limits.rule(limit), std::move(next)};
  note_record(entry, *seq);
  return ticket(*seq, at);
}

Result<Deferred<Decision>> Engine::check(std::string_view key, Units cost) {
  if (Status open = check_open(); !open.ok()) return open;
  base::MutexLock lock(mutex_);
  Item item{.entry = state_.keys.find(key), .cost = cost, .outcome = {}};
  if (!could_pass(item)) return why_not(item, key);
  const Moment at = clock_->now();
  const Result<Ticket> ticket = decide({&item, 1}, at);
  if (!ticket.ok()) return ticket.status();
  return Deferred<Decision>{decision(item, at), *ticket};
}

Result<Deferred<CheckAllResult>> Engine::check_all(std::span<const CheckItem> wanted) {
  if (Status open = check_open(); !open.ok()) return open;
  if (wanted.empty() || wanted.size() > kMaxCheckAllItems) {
    return Status(Code::kInvalidArgument,
                  fmt::format("items must contain 1 to {} keys, not {}.", kMaxCheckAllItems, wanted.size()));
  }
  boost::container::static_vector<Item, kMaxCheckAllItems> items;
  base::MutexLock lock(mutex_);
  for (const CheckItem& one : wanted) {
    items.push_back({.entry = state_.keys.find(one.key), .cost = one.cost, .outcome = {}});
    if (!could_pass(items.back())) return why_not(items.back(), one.key);
  }
  if (Status distinct = check_distinct(items); !distinct.ok()) return distinct;
  const Moment at = clock_->now();
  const Result<Ticket> ticket = decide(items, at);
  if (!ticket.ok()) return ticket.status();

  Deferred<CheckAllResult> answer{.value = {}, .ticket = *ticket};
  answer.value.results.reserve(items.size());
  for (const Item& item : items) {
    answer.value.results.push_back(decision(item, at));
    if (!item.outcome.allowed) {
      answer.value.denied_key = std::string(item.entry->key.view());
      return answer;
    }
  }
  answer.value.allowed = true;
  return answer;
}

bool Engine::could_pass(const Item& item) {
  return item.entry != nullptr && item.cost >= 1 && item.cost <= item.entry->limit().capacity();
}

Status Engine::why_not(const Item& item, std::string_view key) {
  if (item.entry == nullptr) return no_limit(key);
  if (item.cost < 1 || item.cost > kMaxUnits) {
    return {Code::kInvalidArgument,
            fmt::format("cost must be a whole number from 1 to {}, not {}.", kMaxUnits, item.cost)};
  }
  return {Code::kInvalidArgument, fmt::format("cost {} is above the capacity of key \"{}\", {}: it could never pass.",
                                              item.cost, item.entry->key.view(), item.entry->limit().capacity())};
}

Status Engine::check_distinct(std::span<const Item> items) {
  boost::container::static_vector<const KeyEntry*, kMaxCheckAllItems> sorted;
  for (const Item& item : items) sorted.push_back(item.entry);
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice == sorted.end()) return {};
  return {Code::kInvalidArgument,
          fmt::format("items name key \"{}\" more than once: add its costs up in one item.", (*twice)->key.view())};
}

/// The critical section, the same for one item and for many. Nothing changes before all items are allowed and the
/// record of all of them is in the log: a denial or a failed append leaves every state as it was, so that there is
/// never anything to undo. The record comes before the change because a state that the log does not hold would be
/// granted again after a crash. Both happen under one hold of the mutex, so the log has the events in the order in
/// which they were decided. Nothing waits here: the caller waits for the ticket once the mutex is released.
Result<Ticket> Engine::decide(std::span<Item> items, const Moment& at) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    Item& item = items[i];
    item.outcome = algorithm::decide(item.entry->usage.state, item.entry->limit(), item.cost, at.time);
    if (!item.outcome.allowed) return deny(items.first(i + 1), at);
  }
  return grant(items, at);
}

Result<Ticket> Engine::grant(std::span<const Item> items, const Moment& at) {
  EventWriter event(EventType::kAllowed, at);
  for (const Item& item : items) {
    event.allowed(
        {.id = item.entry->id, .cost = item.cost, .denials = pending_.of(*item.entry), .after = item.outcome.after});
  }
  const Result<storage::Seq> seq = append(event, at);
  if (!seq.ok()) return seq.status();
  for (const Item& item : items) {
    KeyEntry& entry = *item.entry;
    algorithm::consume(entry.usage.state, entry.limit(), item.cost, at.time, item.outcome);
    note_record(entry, *seq);
    entry.counters.add_allowed(item.cost, at.wall);
  }
  allowed_ += items.size();
  return ticket(*seq, at);
}

/// `items` ends with the one that denied. Nothing was consumed, so the items before it say what remains now. A denial
/// is only counted in memory: a client that is turned away costs no disk I/O, however often it comes back. The counts
/// reach the log with the key's next record or with the next tick. Inline, as decision() is: a denial is the answer
/// that a server under attack gives most often.
inline Result<Ticket> Engine::deny(std::span<Item> items, const Moment& at) {
  if (Status accepted = check_writable(); !accepted.ok()) return accepted;
  for (Item& item : items.first(items.size() - 1)) {
    const algorithm::View view = algorithm::view(item.entry->usage.state, item.entry->limit(), at.time);
    item.outcome = {{.allowed = true, .remaining = view.remaining, .reset_after = view.reset_after, .retry_after = {}},
                    {}};
  }
  pending_.add(*items.back().entry, items.back().cost, at.wall);
  ++denied_;
  return Ticket{};
}

inline Decision Engine::decision(const Item& item, const Moment& at) {
  return {.key = std::string(item.entry->key.view()),
          .allowed = item.outcome.allowed,
          .cost = item.cost,
          .capacity = item.entry->limit().capacity(),
          .remaining = item.outcome.remaining,
          .reset_at = shown_reset(at, item.outcome.reset_after),
          .reset_after_ms = ceil_ms(item.outcome.reset_after),
          .retry_after_ms = ceil_ms(item.outcome.retry_after),
          .algorithm = item.entry->limit().algorithm};
}

Result<Ticket> Engine::reset(std::string_view key) {
  if (Status open = check_open(); !open.ok()) return open;
  base::MutexLock lock(mutex_);
  KeyEntry* entry = state_.keys.find(key);
  if (entry == nullptr) return no_limit(key);

  const Moment at = clock_->now();
  EventWriter event(EventType::kReset, at);
  event.reset({.id = entry->id, .denials = pending_.of(*entry), .after = {.algorithm = entry->limit().algorithm}});
  const Result<storage::Seq> seq = append(event, at);
  if (!seq.ok()) return seq.status();
  entry->usage.state = algorithm::fresh(entry->limit(), at.time);
  note_record(*entry, *seq);
  entry->counters.last_reset_at = at.wall;
  return ticket(*seq, at);
}

void Engine::note_record(KeyEntry& entry, storage::Seq seq) { entry.note_record(seq, pending_.take(entry)); }

Status Engine::tick_state() {
  if (!clock_) return {};  // the store opens
  log_jump();
  return log_denials();
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
    for (const auto& [entry, denials] : group) {
      event.denied({.id = entry->id, .denials = denials, .after = {.algorithm = entry->limit().algorithm}});
    }
    const Result<storage::Seq> seq = append(event, at);
    if (!seq.ok()) return seq.status();
    for (const auto& [entry, denials] : group) entry->note_record(*seq, denials);
    pending_.drop(group.size());
  }
  return {};
}

}  // namespace flint::limiter
