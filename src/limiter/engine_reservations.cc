#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <boost/container/static_vector.hpp>

#include "base/arithmetic.h"
#include "base/assert.h"
#include "limiter/engine.h"

/// Usage that is charged whatever the limit says, and usage that is held until it is known what it really cost.
namespace flint::limiter {
namespace {

Status too_large() {
  return {
      Code::kInvalidArgument,
      "the names of these keys, and what their limits count, are too long for one record: take fewer keys at once."};
}

std::size_t windows_of(const std::vector<RecordedUsage>& usages) noexcept {
  std::size_t windows = 0;
  for (const RecordedUsage& usage : usages) windows += usage.limit.window_count();
  return windows;
}

/// Slots that a limit has besides those that are held.
algorithm::View slots(const Limit& limit, const KeyEntry* entry, const Moment& at) {
  const Held* const held = entry == nullptr ? nullptr : entry->held();
  if (held == nullptr) return {limit.rate, Nanos(0)};
  const Units taken = held->slots(at.time);
  return {taken < limit.rate ? limit.rate - taken : 0, held->when_slots(0, at.time) - at.time};
}

}  // namespace

Result<Deferred<Decision>> Engine::charge(std::string_view key, Units cost, const ChargeOptions& options) {
  if (Status open = check_open(); !open.ok()) return open;
  const Limit* const carried = options.limit ? &*options.limit : nullptr;
  if (carried != nullptr) {
    if (Status valid = validate_limit(*carried); !valid.ok()) return valid;
  }
  std::optional<RememberedRequest> once;
  if (!options.request_id.empty()) {
    const CheckItem asked{.key = key, .cost = cost, .limit = carried};
    Result<RememberedRequest> request = named(options.request_id, false, Asked::kCharge, {&asked, 1});
    if (!request.ok()) return request.status();
    once = std::move(*request);
  }
  base::MutexLock lock(mutex_);
  windows_.clear();
  Rulings rulings;
  const Moment at = clock_->now();
  expire(at);
  if (once) {
    const Result<const RememberedRequest*> first = first_of(*once, at);
    if (!first.ok()) return first.status();
    if (*first != nullptr) {
      return Deferred<Decision>{first_decision(**first, 0, key, cost), ticket((*first)->seq, at)};
    }
  }
  Item item = item_of(key, cost);
  find_by_rules(item, carried, rulings, at);
  if (Status chargeable = check_charge(item); !chargeable.ok()) return chargeable;
  if (Status accepted = check_writable(); !accepted.ok()) return accepted;
  mark_full({&item, 1});
  const bool is_beyond = item.is_beyond_most_keys();
  if (is_beyond) {
    item.outcome = beyond_most_keys(item);
    return Deferred<Decision>{told(item, at), Ticket{}};
  }
  const bool fits = item.mode != Mode::kBlock && cost <= item.limit->lowest_capacity() &&
                    algorithm::decide(*item.state, *item.limit, cost, present(at), windows_).allowed;
  item.cost = algorithm::most_charged(*item.state, *item.limit, cost, at.time);
  if (item.cost == 0) {  // as much is in use as can be
    item.outcome = left(item, false, at);
    item.cost = cost;
    return Deferred<Decision>{told(item, at), Ticket{}};
  }
  item.outcome = algorithm::charged(*item.state, *item.limit, item.cost, present(at), windows_);
  Decision answer = told(item, at);
  answer.cost = cost;
  answer.allowed = fits || item.mode == Mode::kShadow;
  if (item.mode == Mode::kShadow) answer.would_deny = !fits;
  if (once) {
    note_verdicts(*once, {&item, 1});
    once->verdicts.front().exceeds = !answer.allowed;
    once->verdicts.front().would_deny = answer.would_deny;
  }
  const Result<Ticket> logged = log_charge(item, at, once ? &*once : nullptr);
  if (!logged.ok()) return logged.status();
  if (!answer.allowed && item.mode != Mode::kBlock) {
    const Usage& usage = item.entry->usage;
    answer.retry_after_ms = std::nullopt;
    if (cost <= usage.limit().lowest_capacity()) {
      const auto again = algorithm::decide(usage.state, usage.limit(), cost, present(at), windows_);
      answer.retry_after_ms = ceil_ms(again.retry_after);
    }
  }
  pay_for_births();
  return Deferred<Decision>{std::move(answer), *logged};
}

void Engine::find_by_rules(Item& item, const Limit* carried, Rulings& rulings, const Moment& at) {
  if (item.limit != nullptr) return;
  if (look_for_room(1, at)) item.entry = state_.keys.find(item.key);
  find_rule(item, carried, rulings, at);
}

Status Engine::check_charge(const Item& item) {
  const bool takes_slots = item.limit != nullptr && item.limit->algorithm == Algorithm::kConcurrency;
  if (item.limit == nullptr || item.cost < 1 || item.cost > kMaxUnits || takes_slots) return why_not(item);
  return {};
}

Status Engine::check_reservable(const Item& item) {
  const bool takes_slots = item.limit != nullptr && item.limit->algorithm == Algorithm::kConcurrency;
  if (!takes_slots) return could_pass(item) ? Status() : why_not(item);
  if (item.cost >= 1 && item.cost <= (item.mode == Mode::kEnforce ? item.limit->rate : kMaxUnits)) return {};
  return {Code::kInvalidArgument, fmt::format("cost of key \"{}\" must be from 1 to {}, the slots that its limit has.",
                                              item.key, item.limit->rate)};
}

algorithm::Outcome Engine::slots_left(const Item& item, const Moment& at) {
  const algorithm::View view = slots(*item.limit, item.entry, at);
  return {{.allowed = true, .remaining = view.remaining, .reset_after = view.reset_after, .retry_after = {}}, {}};
}

algorithm::Outcome Engine::decide_slots(const Item& item, Nanos ttl, const Moment& at) {
  algorithm::Outcome outcome = slots_left(item, at);
  if (item.cost > outcome.remaining) {
    outcome.allowed = false;
    const Units most = item.cost > item.limit->rate ? 0 : item.limit->rate - item.cost;
    outcome.retry_after = item.entry->held()->when_slots(most, at.time) - at.time;
    return outcome;
  }
  outcome.remaining -= item.cost;
  outcome.reset_after = std::max(outcome.reset_after, std::min(ttl, item.limit->per));
  outcome.after = {.algorithm = Algorithm::kConcurrency};
  return outcome;
}

bool Engine::decide_held(std::span<Item> items, Nanos ttl, const Moment& at) {
  for (Item& item : items) {
    if (item.limit->algorithm != Algorithm::kConcurrency || item.is_beyond_most_keys()) {
      if (!decide({&item, 1}, at)) return false;
      continue;
    }
    item.outcome = item.mode == Mode::kBlock ? left(item, false, at) : decide_slots(item, ttl, at);
    if (item.mode == Mode::kShadow) {
      item.would_deny = !item.outcome.allowed;
      item.outcome.allowed = true;
      item.outcome.retry_after = Nanos(0);
    }
    if (!item.outcome.allowed) return false;
  }
  return true;
}

Result<Deferred<ReserveResult>> Engine::reserve(std::span<const CheckItem> wanted, const ReserveOptions& options) {
  if (Status open = check_open(); !open.ok()) return open;
  if (wanted.empty() || wanted.size() > kMaxCheckAllItems) {
    return Status(Code::kInvalidArgument,
                  fmt::format("items must contain 1 to {} keys, not {}.", kMaxCheckAllItems, wanted.size()));
  }
  if (Status valid = validate_ttl(options.ttl); !valid.ok()) return valid;
  for (const CheckItem& one : wanted) {
    if (one.limit == nullptr) continue;
    if (Status valid = validate_limit(*one.limit); !valid.ok()) return valid;
  }
  std::optional<RememberedRequest> once;
  if (!options.request_id.empty()) {
    Result<RememberedRequest> request = named(options.request_id, false, Asked::kReserve, wanted);
    if (!request.ok()) return request.status();
    once = std::move(*request);
  }
  boost::container::static_vector<Item, kMaxCheckAllItems> items;
  base::MutexLock lock(mutex_);
  windows_.clear();
  Rulings rulings;
  const Moment at = clock_->now();
  expire(at);
  if (once) {
    const Result<const RememberedRequest*> first = first_of(*once, at);
    if (!first.ok()) return first.status();
    if (*first != nullptr) return first_reservation(**first, wanted, at);
  }
  look_for_room(wanted.size(), at);
  rulings.reserve(wanted.size());
  for (const CheckItem& one : wanted) {
    Item& item = items.emplace_back(item_of(one.key, one.cost));
    if (item.limit == nullptr) find_rule(item, one.limit, rulings, at);
    if (Status reservable = check_reservable(item); !reservable.ok()) return reservable;
  }
  if (Status distinct = check_distinct(items); !distinct.ok()) return distinct;
  if (!rulings.empty()) mark_full(items);
  Deferred<ReserveResult> answer{.value = {}, .ticket = {}};
  CheckAllResult& result = answer.value.decision;
  result.allowed = decide_held(items, options.ttl, at);
  ReservationId id;
  if (result.allowed && state_.holds.held() >= kMaxReservations) {
    ++reservations_full_;
    return Status(Code::kReservationsFull, fmt::format("{} reservations are held already: settle some, or wait until "
                                                       "some expire.",
                                                       kMaxReservations));
  }
  if (result.allowed && once) note_verdicts(*once, items);
  const Result<Ticket> logged =
      result.allowed ? log_reservation(items, options, at, once ? &*once : nullptr, id) : refuse(items, at);
  if (!logged.ok()) return logged.status();
  answer.ticket = *logged;
  for (const Item& item : items) {
    result.results.push_back(told(item, at));
    if (item.outcome.allowed) continue;
    result.denied_key = std::string(item.key);
    break;
  }
  if (result.allowed) {
    answer.value.id = format_reservation_id(id);
    answer.value.expires_at = shown_reset(at, options.ttl);
  }
  pay_for_births();
  return answer;
}

Result<Deferred<ReserveResult>> Engine::first_reservation(const RememberedRequest& first,
                                                          std::span<const CheckItem> items, const Moment& at) {
  const Reservation* const reservation = state_.holds.find(first.reservation);
  if (reservation == nullptr) {
    return Status(Code::kReservationNotFound, "the reservation that this request_id made is not known any more.");
  }
  Deferred<CheckAllResult> told = first_result(first, items, ticket(first.seq, at));
  return Deferred<ReserveResult>{
      {.decision = std::move(told.value),
       .id = format_reservation_id(reservation->id),
       .expires_at = shown_reset({reservation->expires_at, reservation->expires_at_wall}, Nanos(0))},
      told.ticket};
}

std::uint64_t Engine::next_secret() {
  if (secrets_left_ == 0) {
    const int filled = getentropy(secrets_.data(), sizeof(secrets_));
    FLINT_ASSERT(filled == 0);  // Linux has it since 3.17
    secrets_left_ = secrets_.size();
  }
  return secrets_[--secrets_left_];
}

RuledItem Engine::recorded(Item& item, const Charges& charges, std::vector<KeyEntry*>& born) {
  const bool is_new = item.entry == nullptr;
  if (is_new) {
    item.entry = &state_.keys.add(item.key);
    state_.keys.set_kind(*item.entry, KeyKind::kBorn);
    born.push_back(item.entry);
  }
  RuledItem recorded{.id = item.entry->id,
                     .cost = item.cost,
                     .denials = pending_.of(*item.entry),
                     .born = is_new ? item.key : std::string_view(),
                     .usages = {}};
  for (const Charge& charge : charges) {
    recorded.usages.push_back({charge.rule.version(), charge.rule.limit(), charge.outcome.after});
  }
  return recorded;
}

void Engine::apply_recorded(Item& item, const RuledItem& recorded, const Moment& at, storage::Seq seq,
                            const LimiterState::Hold* hold) {
  static_cast<void>(pending_.take(*item.entry));
  const Status applied = state_.apply_charge(*item.entry, recorded, at, seq, hold);
  FLINT_ASSERT(applied.ok());
}

Result<Ticket> Engine::log_charge(Item& item, const Moment& at, RememberedRequest* once) {
  std::vector<KeyEntry*> born;
  const RuledItem charged = recorded(item, charges_of(item, at), born);
  const std::size_t most_bytes = 1 + (once == nullptr ? 0 : most_once_bytes(*once)) +
                                 most_ruled_bytes(item.key.size(), windows_of(charged.usages));
  EventWriter event(EventType::kCharged, at, most_bytes);
  event.maybe_once(once);
  event.allowed_by_rules(charged);
  const Result<storage::Seq> seq = event.fits() ? append(event, at) : Result<storage::Seq>(too_large());
  if (!seq.ok()) {
    for (KeyEntry* entry : born) state_.keys.remove(*entry);
    return seq.status();
  }
  apply_recorded(item, charged, at, *seq, nullptr);
  for (const KeyEntry* entry : born) note_name(*entry, true);
  births_ += static_cast<std::uint32_t>(born.size());
  if (once != nullptr) remember(*once, *seq, at);
  ++item.tally->allowed;
  return ticket(*seq, at);
}

Result<Ticket> Engine::log_reservation(std::span<Item> items, const ReserveOptions& options, const Moment& at,
                                       RememberedRequest* once, ReservationId& id) {
  id = {state_.holds.next_number(), next_secret()};
  ReservedEvent reserved{.id = id, .ttl = options.ttl, .on_expiry = options.on_expiry};
  std::vector<KeyEntry*> born;
  std::vector<RuledItem> charges;
  std::size_t most_bytes = 1 + (once == nullptr ? 0 : most_once_bytes(*once)) + kMaxReservedHeadBytes;
  for (Item& item : items) {
    const bool is_held = !item.is_beyond_most_keys() && !item.would_deny;
    reserved.keys.push_back({.name = item.key, .cost = item.cost, .is_held = is_held});
    most_bytes += item.key.size() + 2 + 10;
    if (!is_held) continue;
    charges.push_back(recorded(item, charges_of(item, at), born));
    most_bytes += most_ruled_bytes(item.key.size(), windows_of(charges.back().usages));
  }
  EventWriter event(EventType::kReserved, at, most_bytes);
  event.maybe_once(once);
  event.reserved(reserved);
  for (const RuledItem& charge : charges) event.allowed_by_rules(charge);
  const Result<storage::Seq> seq = event.fits() ? append(event, at) : Result<storage::Seq>(too_large());
  if (!seq.ok()) {
    for (KeyEntry* entry : born) state_.keys.remove(*entry);
    return seq.status();
  }
  const LimiterState::Hold hold{id.number, options.ttl, options.on_expiry};
  auto charge = charges.begin();
  for (std::size_t i = 0; i < items.size(); ++i) {
    Item& item = items[i];
    if (reserved.keys[i].is_held) {
      apply_recorded(item, *charge++, at, *seq, &hold);
      ++item.tally->allowed;
    }
    if (!item.would_deny) continue;
    if (KeyEntry* counted = counted_at(item)) pending_.add_would_deny(*counted, item.cost, at.wall);
    ++item.tally->would_deny;
  }
  state_.note_reserved(reserved, charges, at, *seq);
  for (const KeyEntry* entry : born) note_name(*entry, true);
  births_ += static_cast<std::uint32_t>(born.size());
  if (once != nullptr) {
    once->reservation = id.number;
    remember(*once, *seq, at);
  }
  return ticket(*seq, at);
}

}  // namespace flint::limiter
