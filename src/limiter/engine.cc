#include "limiter/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/container/static_vector.hpp>
#include <span>

#include "base/assert.h"

namespace flint::limiter {
namespace {

// Some hundred microseconds, once a tick: a million keys are looked at in less than a minute.
constexpr std::size_t kForgetAtTick = 2048;

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
  state_.patterns.for_each([this](KeyEntry& pattern) FLINT_REQUIRES(mutex_) { tally_of(pattern); });
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

Result<storage::Seq> Engine::append_next(const EventWriter& event, const Moment& at) {
  Result<storage::Seq> seq = store_->append(event.kind(), event.written());
  if (seq.ok()) {
    state_.time.note(at);
    unsynced_->appended(*seq, at.time);
  }
  return seq;
}

Result<storage::Seq> Engine::append(const EventWriter& event, const Moment& at) {
  if (!clock_->anchored()) log_clock(at);
  return append_next(event, at);
}

// Inline, as what a plain check runs through is: a call costs as much as it does.
inline Engine::Item Engine::find_item(std::string_view key, Units cost) {
  Item item{.key = key, .entry = state_.keys.find(key), .cost = cost};
  if (item.entry != nullptr && item.entry->kind == KeyKind::kSet) {
    item.limit = &item.entry->limit();
    item.state = &item.entry->usage.state;
    item.tally = &tallies_.exact();
    item.mode = item.entry->usage.rule.mode();
  }
  return item;
}

Result<Deferred<Decision>> Engine::check(std::string_view key, Units cost) {
  if (Status open = check_open(); !open.ok()) return open;
  base::MutexLock lock(mutex_);
  windows_.clear();
  const Moment at = clock_->now();
  expire(at);
  Item item = find_item(key, cost);
  if (item.limit == nullptr) return check_by_rules(item, nullptr, false, at, nullptr);
  if (!could_pass(item)) return why_not(item);
  const bool allowed = decide({&item, 1}, at);
  const Result<Ticket> ticket = settle({&item, 1}, true, allowed, at, nullptr);
  if (!ticket.ok()) return ticket.status();
  return Deferred<Decision>{decision(item, at), *ticket};
}

Result<Deferred<Decision>> Engine::check(std::string_view key, Units cost, const CheckOptions& options) {
  if (Status open = check_open(); !open.ok()) return open;
  const BatchCheck one{.key = key,
                       .cost = cost,
                       .limit = options.limit ? &*options.limit : nullptr,
                       .dry_run = options.dry_run,
                       .request_id = options.request_id};
  if (one.request_id.empty()) {
    base::MutexLock lock(mutex_);
    return check_one(one, nullptr);
  }
  Result<RememberedRequest> once = named(one);
  if (!once.ok()) return once.status();
  base::MutexLock lock(mutex_);
  return check_one(one, &*once);
}

Result<Deferred<Decision>> Engine::check_one(const BatchCheck& one, RememberedRequest* once) {
  if (one.limit != nullptr) {
    if (Status valid = validate_limit(*one.limit); !valid.ok()) return valid;
  }
  windows_.clear();
  const Moment at = clock_->now();
  expire(at);
  if (once != nullptr) {
    const Result<const RememberedRequest*> first = first_of(*once, at);
    if (!first.ok()) return first.status();
    if (*first != nullptr) {
      return Deferred<Decision>{first_decision(**first, 0, one.key, one.cost), ticket((*first)->seq, at)};
    }
  }
  Item item = find_item(one.key, one.cost);
  return check_by_rules(item, one.limit, one.dry_run, at, once);
}

Result<Deferred<CheckAllResult>> Engine::check_all(std::span<const CheckItem> wanted, const CheckAllOptions& options) {
  if (Status open = check_open(); !open.ok()) return open;
  if (wanted.empty() || wanted.size() > kMaxCheckAllItems) {
    return Status(Code::kInvalidArgument,
                  fmt::format("items must contain 1 to {} keys, not {}.", kMaxCheckAllItems, wanted.size()));
  }
  for (const CheckItem& one : wanted) {
    if (one.limit == nullptr) continue;
    if (Status valid = validate_limit(*one.limit); !valid.ok()) return valid;
  }
  std::optional<RememberedRequest> once;
  if (!options.request_id.empty()) {
    Result<RememberedRequest> request = named(options.request_id, options.dry_run, Asked::kCheckAll, wanted);
    if (!request.ok()) return request.status();
    once = std::move(*request);
  }
  boost::container::static_vector<Item, kMaxCheckAllItems> items;
  base::MutexLock lock(mutex_);
  windows_.clear();
  Rulings rulings;  // its rules are let go of under the mutex
  const Moment at = clock_->now();
  expire(at);
  if (once) {
    const Result<const RememberedRequest*> first = first_of(*once, at);
    if (!first.ok()) return first.status();
    if (*first != nullptr) return first_result(**first, wanted, ticket((*first)->seq, at));
  }
  look_for_room(wanted.size(), at);
  for (const CheckItem& one : wanted) {
    Item& item = items.emplace_back(find_item(one.key, one.cost));
    if (item.limit == nullptr) {
      rulings.reserve(wanted.size());
      find_rule(item, one.limit, rulings, at);
    }
    if (!could_pass(item)) return why_not(item);
  }
  if (Status distinct = check_distinct(items); !distinct.ok()) return distinct;
  if (!rulings.empty()) mark_full(items);
  const bool allowed = decide(items, at);
  Result<Ticket> ticket =
      options.dry_run ? Result<Ticket>(Ticket{}) : settle(items, rulings.empty(), allowed, at, once ? &*once : nullptr);
  if (!ticket.ok()) return ticket.status();
  if (options.dry_run && !allowed) unconsumed(items, at);

  Deferred<CheckAllResult> answer{.value = {}, .ticket = *ticket};
  answer.value.allowed = allowed;
  answer.value.results.reserve(items.size());
  for (const Item& item : items) {
    answer.value.results.push_back(decision(item, at));
    if (item.outcome.allowed) continue;
    answer.value.denied_key = std::string(item.key);
    break;
  }
  pay_for_births();
  return answer;
}

bool Engine::could_pass(const Item& item) noexcept {
  if (item.limit == nullptr || item.cost < 1 || item.limit->algorithm == Algorithm::kConcurrency) return false;
  if (item.mode != Mode::kEnforce && item.cost <= kMaxUnits) return true;
  return item.cost <= item.limit->capacity() &&
         (item.limit->further.empty() || item.cost <= item.limit->lowest_capacity());
}

Status Engine::why_not(const Item& item) {
  if (item.limit == nullptr && is_pattern(item.key)) {
    return {Code::kInvalidArgument,
            fmt::format("key \"{}\" is the name of a pattern: check a key that begins with what is before the *.",
                        item.key)};
  }
  if (item.limit == nullptr) return no_limit(item.key);
  if (item.cost < 1 || item.cost > kMaxUnits) {
    return {Code::kInvalidArgument,
            fmt::format("cost must be a whole number from 1 to {}, not {}.", kMaxUnits, item.cost)};
  }
  if (item.limit->algorithm == Algorithm::kConcurrency) {
    return {Code::kInvalidArgument,
            fmt::format("the limit of key \"{}\" is one of slots (concurrency), which are held for a time and not "
                        "consumed: take them with a reservation.",
                        item.key)};
  }
  return {Code::kInvalidArgument, fmt::format("cost {} is above the capacity of key \"{}\", {}: it could never pass.",
                                              item.cost, item.key, item.limit->lowest_capacity())};
}

/// Keys that are there are told apart by their entries, and only new ones by their names.
Status Engine::check_distinct(std::span<const Item> items) {
  const auto refusal = [](std::string_view key) {
    return Status(Code::kInvalidArgument,
                  fmt::format("items name key \"{}\" more than once: add its costs up in one item.", key));
  };
  boost::container::static_vector<const KeyEntry*, kMaxCheckAllItems> known;
  boost::container::static_vector<std::string_view, kMaxCheckAllItems> unknown;
  for (const Item& item : items) {
    if (item.entry != nullptr) {
      known.push_back(item.entry);
    } else {
      unknown.push_back(item.key);
    }
  }
  std::sort(known.begin(), known.end());
  const auto twice = std::adjacent_find(known.begin(), known.end());
  if (twice != known.end()) return refusal((*twice)->key);
  std::sort(unknown.begin(), unknown.end());
  const auto new_twice = std::adjacent_find(unknown.begin(), unknown.end());
  return new_twice == unknown.end() ? Status() : refusal(*new_twice);
}

/// The critical section, the same for one item and for many. Nothing changes before all items are allowed and the
/// record of all of them is in the log: a denial or a failed append leaves every state as it was, so that there is
/// never anything to undo. The record comes before the change because a state that the log does not hold would be
/// granted again after a crash. Both happen under one hold of the mutex, so the log has the events in the order in
/// which they were decided. Nothing waits here: the caller waits for the ticket once the mutex is released.
bool Engine::decide(std::span<Item> items, const Moment& at) {
  for (Item& item : items) {
    if (item.mode != Mode::kEnforce) [[unlikely]] {
      decide_otherwise(item, at);
    } else {
      item.outcome = item.is_beyond_most_keys()
                         ? beyond_most_keys(item)
                         : algorithm::decide(*item.state, *item.limit, item.cost, present(at), windows_);
    }
    if (!item.outcome.allowed) return false;
  }
  return true;
}

/// A shadow answers as if its limit were enforced, and lets pass what that would deny. So usage, and what is counted,
/// are those of the enforced limit, which is what a shadow is for.
void Engine::decide_otherwise(Item& item, const Moment& at) {
  if (item.mode == Mode::kBlock || item.cost > item.limit->lowest_capacity()) {
    item.outcome = left(item, false, at);
  } else {
    item.outcome = item.is_beyond_most_keys()
                       ? beyond_most_keys(item)
                       : algorithm::decide(*item.state, *item.limit, item.cost, present(at), windows_);
  }
  if (item.mode != Mode::kShadow) return;
  item.would_deny = !item.outcome.allowed;
  item.outcome.allowed = true;
  item.outcome.retry_after = Nanos(0);
}

algorithm::Outcome Engine::left(const Item& item, bool allowed, const Moment& at) {
  if (item.limit->algorithm == Algorithm::kConcurrency) {
    algorithm::Outcome outcome = slots_left(item, at);
    outcome.allowed = allowed;
    return outcome;
  }
  if (const algorithm::WindowOutcomes* each =
          algorithm::view_windows(*item.state, *item.limit, present(at), windows_)) {
    algorithm::Verdict verdict = each->verdicts[each->shown];
    verdict.allowed = allowed;
    return {verdict, {}, each};
  }
  const algorithm::View view = algorithm::view(*item.state, *item.limit, present(at));
  return {{.allowed = allowed, .remaining = view.remaining, .reset_after = view.reset_after, .retry_after = {}}, {}};
}

/// Nothing is known of such a key, so its quota is full and stays so.
algorithm::Outcome Engine::beyond_most_keys(const Item& item) {
  const bool allowed = options_.on_full == OnFull::kAllow;
  algorithm::Verdict verdict{.allowed = allowed,
                             .remaining = item.limit->lowest_capacity(),
                             .reset_after = {},
                             .retry_after = allowed ? Nanos(0) : Nanos(std::chrono::seconds(1))};
  if (item.limit->further.empty()) return {verdict, {}};
  algorithm::WindowOutcomes& each = windows_.add();
  for (std::size_t i = 0; i < item.limit->window_count(); ++i) {
    each.verdicts[i] = verdict;
    each.verdicts[i].remaining = item.limit->window(i).capacity();
    if (verdict.remaining == each.verdicts[i].remaining) each.shown = static_cast<std::uint8_t>(i);
  }
  return {verdict, {}, &each};
}

inline Result<Ticket> Engine::settle(std::span<Item> items, bool plain, bool allowed, const Moment& at,
                                     RememberedRequest* once) {
  if (!allowed) return deny(items, at);
  if (once != nullptr) note_verdicts(*once, items);
  const auto does_not_fit = [](const Item& item) { return item.would_deny; };
  if (std::any_of(items.begin(), items.end(), does_not_fit)) [[unlikely]]
    return grant_what_fits(items, plain, at, once);
  return plain ? grant(items, at, once) : grant_by_rules(items, at, once);
}

Result<Ticket> Engine::grant_what_fits(std::span<const Item> items, bool plain, const Moment& at,
                                       RememberedRequest* once) {
  if (Status accepted = check_writable(); !accepted.ok()) return accepted;
  boost::container::static_vector<Item, kMaxCheckAllItems> fitting;
  std::copy_if(items.begin(), items.end(), std::back_inserter(fitting),
               [](const Item& one) { return !one.would_deny; });
  Result<Ticket> granted = Ticket{};
  if (!fitting.empty()) granted = plain ? grant(fitting, at, once) : grant_by_rules(fitting, at, once);
  if (!granted.ok()) return granted;
  for (const Item& item : items) {
    if (!item.would_deny) continue;
    if (KeyEntry* counted = counted_at(item)) pending_.add_would_deny(*counted, item.cost, at.wall);
    ++item.tally->would_deny;
  }
  return granted;
}

KeyEntry* Engine::counted_at(const Item& item) {
  if (item.entry != nullptr || item.mode == Mode::kEnforce) return item.entry;
  return state_.patterns.find(item.key, true);
}

Result<Deferred<Decision>> Engine::check_by_rules(Item& item, const Limit* carried, bool dry_run, const Moment& at,
                                                  RememberedRequest* once) {
  Rulings rulings;
  if (item.limit == nullptr) {
    if (look_for_room(1, at)) item.entry = state_.keys.find(item.key);
    find_rule(item, carried, rulings, at);
    mark_full({&item, 1});
  }
  if (!could_pass(item)) return why_not(item);
  const bool allowed = decide({&item, 1}, at);
  const Result<Ticket> ticket =
      dry_run ? Result<Ticket>(Ticket{}) : settle({&item, 1}, rulings.empty(), allowed, at, once);
  if (!ticket.ok()) return ticket.status();
  Deferred<Decision> answer{decision(item, at), *ticket};
  pay_for_births();
  return answer;
}

Result<Ticket> Engine::grant(std::span<const Item> items, const Moment& at, RememberedRequest* once) {
  const std::size_t most_bytes = items.size() * kMaxItemBytes + windows_.size() * kMaxWindowsBytes;
  EventWriter event(EventType::kAllowed, at, once == nullptr ? most_bytes : most_bytes + most_once_bytes(*once));
  if (once != nullptr) event.once(*once);
  for (const Item& item : items) {
    event.allowed(
        {.id = item.entry->id, .cost = item.cost, .denials = pending_.of(*item.entry), .after = item.outcome.after});
  }
  const Result<storage::Seq> seq = append(event, at);
  if (!seq.ok()) return seq.status();
  for (const Item& item : items) {
    KeyEntry& entry = *item.entry;
    entry.work_off(item.cost, at.time);
    algorithm::consume(entry.usage.state, entry.limit(), item.cost, present(at), item.outcome);
    note_record(entry, *seq);
    entry.add_allowed(item.cost, at.wall);
    ++item.tally->allowed;
  }
  if (once != nullptr) remember(*once, *seq, at);
  return ticket(*seq, at);
}

/// The items up to the one that denied. Nothing was consumed, so the items before it say what remains now. A denial
/// is only counted in memory: a client that is turned away costs no disk I/O, however often it comes back. The counts
/// reach the log with the key's next record or with the next tick. Inline, as decision() is: a denial is the answer
/// that a server under attack gives most often.
inline Result<Ticket> Engine::deny(std::span<Item> items, const Moment& at) {
  if (Status accepted = check_writable(); !accepted.ok()) return accepted;
  const Item& denied = unconsumed(items, at);
  if (KeyEntry* counted = counted_at(denied)) pending_.add(*counted, denied.cost, at.wall);
  ++denied.tally->denied;
  return Ticket{};
}

inline const Engine::Item& Engine::unconsumed(std::span<Item> items, const Moment& at) {
  for (Item& item : items) {
    if (!item.outcome.allowed) return item;
    item.outcome = left(item, true, at);
  }
  base::assertion_failed("one of the items denied", __FILE__, __LINE__);
}

inline Decision Engine::decision(const Item& item, const Moment& at) const {
  const algorithm::WindowOutcomes* const each = item.outcome.windows;
  const Limit& shown = each == nullptr ? *item.limit : item.limit->window(each->shown);
  return {.key = std::string(item.key),
          .allowed = item.outcome.allowed,
          .cost = item.cost,
          .capacity = shown.capacity(),
          .remaining = item.outcome.remaining,
          .reset_at = shown_reset(at, item.outcome.reset_after),
          .reset_after_ms = ceil_ms(item.outcome.reset_after),
          .retry_after_ms = item.mode == Mode::kBlock ? std::nullopt : std::optional(ceil_ms(item.outcome.retry_after)),
          .algorithm = shown.algorithm,
          .keys_full = item.is_beyond_most_keys(),
          .would_deny = item.mode == Mode::kShadow ? std::optional(item.would_deny) : std::nullopt,
          .details = details(*item.limit, item.outcome, at)};
}

Engine::Item Engine::item_of(std::string_view key, Units cost) { return find_item(key, cost); }
Decision Engine::told(const Item& item, const Moment& at) const { return decision(item, at); }
Result<Ticket> Engine::refuse(std::span<Item> items, const Moment& at) { return deny(items, at); }

void Engine::note_record(KeyEntry& entry, storage::Seq seq) { entry.note_record(seq, pending_.take(entry)); }

Status Engine::tick_state() {
  if (!clock_) return {};  // the store opens
  log_jump();
  expire(clock_->now());
  Status logged = log_denials();
  if (logged.ok()) forget_some(kForgetAtTick);
  state_.requests.forget_old(clock_->now().time, kForgetAtTick);
  state_.holds.forget_old(clock_->now().time, kForgetAtTick);
  return logged;
}

}  // namespace flint::limiter
