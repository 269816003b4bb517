#include <fmt/format.h>

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <memory>
#include <utility>

#include "base/assert.h"
#include "limiter/engine.h"

/// How reservations end: settled by their callers, or by their time.
namespace flint::limiter {
namespace {

// So many at a time, so that a crowd that expires at once does not keep a check waiting.
constexpr int kExpiredAtOnce = 256;

using WindowAmounts = boost::container::small_vector<algorithm::Amount, kMaxWindows>;

RememberedVerdict verdict_of(const Limit& limit, const algorithm::Outcome& outcome) {
  const Limit& shown = outcome.windows == nullptr ? limit : limit.window(outcome.windows->shown);
  return {.capacity = shown.capacity(),
          .remaining = std::min(outcome.remaining, shown.capacity()),
          .reset_after = outcome.reset_after,
          .algorithm = shown.algorithm};
}

/// What the reservation of this number holds of the key; null if nothing.
const Held::Item* held_by(const KeyEntry* entry, std::uint64_t number) noexcept {
  return entry == nullptr || entry->held() == nullptr ? nullptr : std::as_const(*entry->held()).find(number);
}

/// What remains once the reservation of this number gives its slots back.
RememberedVerdict slots_without(const KeyEntry& entry, std::uint64_t number, const Moment& at) {
  Held others;
  if (entry.held() != nullptr) {
    entry.held()->for_each([&](const Held::Item& item) {
      if (item.number != number) others.add(item);
    });
  }
  const Units taken = others.slots(at.time);
  const Units rate = entry.limit().rate;
  return {.capacity = rate,
          .remaining = taken < rate ? rate - taken : 0,
          .reset_after = others.when_slots(0, at.time) - at.time,
          .algorithm = Algorithm::kConcurrency};
}

Status not_known() {
  return {Code::kReservationNotFound,
          "no such reservation is known: it never was, or it was settled or expired more than 10 minutes ago."};
}

Status wrong_cost(std::string_view key, std::string_view problem) {
  return Status::of_field("costs", fmt::format("of key \"{}\" {}", key, problem));
}

}  // namespace

Result<Reservation*> Engine::find_reservation(std::string_view id, const Moment& at) {
  const std::optional<ReservationId> parsed = parse_reservation_id(id);
  Reservation* const found = parsed ? state_.holds.find(*parsed, at.time) : nullptr;
  if (found == nullptr) return not_known();
  return found;
}

/// A key that was deleted may have come back under this id or its name; nothing of it is held then.
KeyEntry* Engine::charged_key(const Reservation::Item& item) {
  KeyEntry* const entry = item.id == Reservation::kNothingHeld ? nullptr : state_.keys.find(item.id);
  return entry != nullptr && entry->key == item.key && entry->kind != KeyKind::kPattern ? entry : nullptr;
}

Result<Deferred<Settlement>> Engine::commit(std::string_view reservation, std::span<const ActualCost> costs) {
  return settle(reservation, SettledAs::kCommitted, costs);
}

Result<Deferred<Settlement>> Engine::cancel(std::string_view reservation) {
  return settle(reservation, SettledAs::kCancelled, {});
}

Result<Deferred<Settlement>> Engine::settle(std::string_view id, SettledAs as, std::span<const ActualCost> costs) {
  if (Status open = check_open(); !open.ok()) return open;
  base::MutexLock lock(mutex_);
  windows_.clear();
  const Moment at = clock_->now();
  expire(at);
  const Result<Reservation*> found = find_reservation(id, at);
  if (!found.ok()) return found.status();
  Reservation& reservation = **found;
  if (reservation.settled) return Deferred<Settlement>{settlement(reservation), ticket(reservation.last_seq, at)};
  const Result<std::vector<Units>> units = actual_costs(reservation, as, costs);
  if (!units.ok()) return units.status();
  SettledEvent event{.as = as, .number = reservation.id.number};
  for (std::size_t i = 0; i < reservation.items.size(); ++i) {
    event.items.push_back(settled(reservation, reservation.items[i], (*units)[i], at));
  }
  const Result<storage::Seq> seq = log_settled(event, at);
  if (!seq.ok()) return seq.status();
  return Deferred<Settlement>{settlement(reservation), ticket(*seq, at)};
}

Result<std::vector<Units>> Engine::actual_costs(const Reservation& reservation, SettledAs as,
                                                std::span<const ActualCost> costs) {
  std::vector<Units> units;
  for (const Reservation::Item& item : reservation.items) {
    units.push_back(as == SettledAs::kCancelled ? 0 : item.cost);
  }
  std::vector<bool> is_given(units.size());
  for (const ActualCost& actual : costs) {
    const auto item = std::find_if(reservation.items.begin(), reservation.items.end(),
                                   [&](const Reservation::Item& each) { return each.key == actual.key; });
    if (item == reservation.items.end()) return wrong_cost(actual.key, "is of no key that the reservation holds.");
    const auto i = static_cast<std::size_t>(item - reservation.items.begin());
    if (is_given[i]) return wrong_cost(actual.key, "is given twice.");
    if (actual.cost > kMaxUnits) return wrong_cost(actual.key, fmt::format("must be at most {}.", kMaxUnits));
    const Held::Item* const held = held_by(charged_key(*item), reservation.id.number);
    if (held != nullptr && held->takes_slots && actual.cost > item->cost) {
      return wrong_cost(actual.key, fmt::format("must be at most the {} slots that were reserved.", item->cost));
    }
    is_given[i] = true;
    units[i] = actual.cost;
  }
  return units;
}

SettledItem Engine::settled(const Reservation& reservation, const Reservation::Item& item, Units cost,
                            const Moment& at) {
  SettledItem out{.cost = cost};
  KeyEntry* const entry = charged_key(item);
  if (entry == nullptr) return out;
  if (entry->kind == KeyKind::kBorn) entry->follow_patterns();
  out.id = entry->id;
  out.denials = pending_.of(*entry);
  const Units before = reservation.is_returned ? 0 : item.cost;
  if (cost < before) out.less = before - cost;
  algorithm::Outcome now;
  if (const algorithm::WindowOutcomes* each =
          algorithm::view_windows(entry->usage.state, entry->limit(), present(at), windows_)) {
    now = {each->verdicts[each->shown], {}, each};
  } else {
    const algorithm::View view = algorithm::view(entry->usage.state, entry->limit(), present(at));
    now = {{true, view.remaining, view.reset_after, Nanos(0)}, {}};
  }
  out.verdict = verdict_of(entry->limit(), now);
  const Held::Item* const held = held_by(entry, reservation.id.number);
  if (entry->limit().algorithm == Algorithm::kConcurrency) {
    out.verdict = slots_without(*entry, reservation.id.number, at);
  }
  if (out.less > 0 && held != nullptr) give_back(*entry, *held, out.less, at, out);
  if (cost > before) charge_extra(*entry, cost - before, at, out);
  return out;
}

void Engine::give_back(KeyEntry& entry, const Held::Item& held, Units less, const Moment& at, SettledItem& item) {
  entry.work_off(0, at.time);
  entry.for_each_usage([&](const Usage& usage) {
    WindowAmounts amounts(usage.limit().window_count(), 0);
    for (const Held::Part& part : held.parts) {
      if (part.rule != usage.rule) continue;
      amounts[part.window] = std::min(part.amount, less * algorithm::amount_of_unit(usage.limit(), part.window));
    }
    const auto is_some = [](algorithm::Amount each) { return each > 0; };
    if (std::none_of(amounts.begin(), amounts.end(), is_some)) return;
    const algorithm::Outcome outcome =
        algorithm::given_back(usage.state, usage.limit(), amounts, held.charged_at, present(at), windows_);
    if (std::none_of(amounts.begin(), amounts.end(), is_some)) return;
    item.usages.push_back({usage.rule.version(), usage.limit(), outcome.after});
    if (&usage == &entry.usage) item.verdict = verdict_of(usage.limit(), outcome);
  });
}

/// As charges_of(): every rule sees it.
void Engine::charge_extra(KeyEntry& entry, Units extra, const Moment& at, SettledItem& item) {
  const Usage& deciding = entry.usage;
  const bool fits = extra <= deciding.limit().lowest_capacity() &&
                    algorithm::decide(deciding.state, deciding.limit(), extra, present(at), windows_).allowed;
  item.extra = extra;
  entry.for_each_usage([&](const Usage& usage) {
    if (&usage != &deciding && usage.rule.has_ended()) return;
    const Units cost = algorithm::most_charged(usage.state, usage.limit(), extra, at.time);
    const algorithm::Outcome outcome = algorithm::charged(usage.state, usage.limit(), cost, present(at), windows_);
    item.usages.push_back({usage.rule.version(), usage.limit(), outcome.after});
    if (&usage == &deciding) item.verdict = verdict_of(usage.limit(), outcome);
  });
  item.verdict.exceeds = !fits;
}

Result<storage::Seq> Engine::log_settled(SettledEvent& event, const Moment& at) {
  std::size_t most_bytes = kMaxSettledHeadBytes;
  for (const SettledItem& item : event.items) {
    std::size_t windows = 0;
    for (const RecordedUsage& usage : item.usages) windows += usage.limit.window_count();
    most_bytes += most_settled_bytes(windows);
  }
  const EventType type = event.as == SettledAs::kReturned ? EventType::kExpired : EventType::kSettled;
  auto record = std::make_unique<EventWriter>(type, at, most_bytes);
  record->settled(event);
  if (!record->fits()) {
    // More windows than the record of the reservation told of. A refund is left out rather than the settlement, which
    // would be tried for ever: what expires after it has to wait for it.
    for (SettledItem& item : event.items) {
      if (item.extra == 0) item.usages.clear();
    }
    record = std::make_unique<EventWriter>(type, at, most_bytes);
    record->settled(event);
  }
  if (!record->fits()) {
    return Status(Code::kInvalidArgument, "the limits of these keys have too many windows for one record.");
  }
  // Who only reads sees what the next one who writes will log: else a status would tell of units that are free by now.
  const bool only_shows = event.as == SettledAs::kReturned && options_.mode == OpenMode::kReadOnly;
  const Result<storage::Seq> seq = only_shows ? Result<storage::Seq>(store_->last_seq()) : append(*record, at);
  if (!seq.ok()) return seq;
  for (const SettledItem& item : event.items) {
    if (item.id == Reservation::kNothingHeld) continue;
    KeyEntry& entry = *state_.keys.find(item.id);
    static_cast<void>(pending_.take(entry));
    const Status applied = state_.apply_settled(entry, item, event, at, *seq);
    FLINT_ASSERT(applied.ok());
  }
  state_.note_settled(event, at, *seq);
  return seq;
}

Settlement Engine::settlement(const Reservation& reservation) {
  Settlement told;
  for (const Reservation::Item& item : reservation.items) {
    told.results.push_back({.key = item.key,
                            .allowed = !item.verdict.exceeds,
                            .cost = item.settled,
                            .capacity = item.verdict.capacity,
                            .remaining = item.verdict.remaining,
                            .reset_at = shown_reset(reservation.settled_at, item.verdict.reset_after),
                            .reset_after_ms = ceil_ms(item.verdict.reset_after),
                            .retry_after_ms = 0,
                            .algorithm = item.verdict.algorithm});
  }
  return told;
}

void Engine::expire_due(const Moment& at) {
  for (int n = 0; n < kExpiredAtOnce; ++n) {
    Reservation* const expired = state_.holds.next_expired(at.time);
    if (expired == nullptr) return;
    if (expired->on_expiry == OnExpiry::kKeep) {
      state_.holds.pass_over(*expired);
    } else if (!give_back_expired(*expired, at)) {
      return;
    }
    ++reservations_expired_;
  }
}

bool Engine::give_back_expired(Reservation& reservation, const Moment& at) {
  SettledEvent event{.as = SettledAs::kReturned, .number = reservation.id.number};
  for (const Reservation::Item& item : reservation.items) event.items.push_back(settled(reservation, item, 0, at));
  return log_settled(event, at).ok();
}

Result<Deferred<ReservationStatus>> Engine::renew(std::string_view id, Nanos ttl) {
  if (Status open = check_open(); !open.ok()) return open;
  if (Status valid = validate_ttl(ttl); !valid.ok()) return valid;
  base::MutexLock lock(mutex_);
  const Moment at = clock_->now();
  expire(at);
  const Result<Reservation*> found = find_reservation(id, at);
  if (!found.ok()) return found.status();
  Reservation& reservation = **found;
  if (reservation.state(at.time) != ReservationState::kHeld) {
    return Status(Code::kReservationNotFound, fmt::format("the reservation was {} already, so it cannot be renewed.",
                                                          reservation_state_name(reservation.state(at.time))));
  }
  SettledEvent event{.as = SettledAs::kRenewed, .number = reservation.id.number, .ttl = ttl};
  for (const Reservation::Item& item : reservation.items) {
    SettledItem& renewed = event.items.emplace_back();
    if (const KeyEntry* entry = charged_key(item)) {
      renewed.id = entry->id;
      renewed.denials = pending_.of(*entry);
    }
  }
  const Result<storage::Seq> seq = log_settled(event, at);
  if (!seq.ok()) return seq.status();
  return Deferred<ReservationStatus>{describe(reservation, at), ticket(*seq, at)};
}

Result<ReservationStatus> Engine::reservation(std::string_view id) {
  if (Status open = check_open(); !open.ok()) return open;
  base::MutexLock lock(mutex_);
  windows_.clear();
  const Moment at = clock_->now();
  expire(at);
  const Result<Reservation*> found = find_reservation(id, at);
  if (!found.ok()) return found.status();
  return describe(**found, at);
}

ReservationStatus Engine::describe(const Reservation& reservation, const Moment& at) {
  const auto shown = [](WallTime time) { return shown_reset({{}, time}, Nanos(0)); };
  ReservationStatus status{.id = format_reservation_id(reservation.id),
                           .state = reservation.state(at.time),
                           .items = {},
                           .reserved_at = shown(reservation.reserved_at.wall),
                           .expires_at = shown(reservation.expires_at_wall),
                           .on_expiry = reservation.on_expiry};
  for (const Reservation::Item& item : reservation.items) status.items.push_back({item.key, item.cost});
  if (reservation.settled) status.settled_at = shown(reservation.settled_at.wall);
  return status;
}

}  // namespace flint::limiter
