#include <algorithm>

#include "base/arithmetic.h"
#include "base/assert.h"
#include "limiter/limiter_state.h"

/// What records tell of charges and reservations, done to the state: the same when they are decided and in replay.
namespace flint::limiter {
namespace {

// More than come: those that nobody knows any more become fewer.
constexpr std::size_t kForgottenAtOnce = 8;

Status contradiction(std::string_view what, storage::Seq seq) {
  return {Code::kCorruption, "record " + std::to_string(seq) + " " + std::string(what)};
}

/// A slot ends with its reservation, or after the limit's `per`, if that is earlier.
Time end_of(const Limit& limit, Nanos ttl, Time now) noexcept {
  return base::saturating_add(now, limit.algorithm == Algorithm::kConcurrency ? std::min(ttl, limit.per) : ttl);
}

/// A window of a usage in which some of a charge does not count, since no more than kMaxUnits ever do.
struct Clipped {
  Rule rule;
  std::size_t window = 0;
};

std::vector<Clipped> clipped(const KeyEntry& entry, Units cost, Time now) {
  std::vector<Clipped> windows;
  entry.for_each_window([&](const Usage& usage, std::size_t, std::size_t window) {
    const Units used = algorithm::in_use(usage.state, usage.limit(), window, now);
    if (cost > kMaxUnits - std::min(kMaxUnits, used)) windows.push_back({usage.rule, window});
  });
  return windows;
}

Held::Parts parts_of(const KeyEntry& entry, const std::vector<Clipped>& clipped, Units cost, Time now) {
  Held::Parts parts;
  entry.for_each_window([&](const Usage& usage, std::size_t, std::size_t window) {
    const bool is_clipped = std::any_of(clipped.begin(), clipped.end(), [&](const Clipped& each) {
      return each.rule == usage.rule && each.window == window;
    });
    if (is_clipped || algorithm::in_use(usage.state, usage.limit(), window, now) < cost) return;
    parts.push_back(
        {usage.rule, static_cast<std::uint8_t>(window), cost * algorithm::amount_of_unit(usage.limit(), window)});
  });
  return parts;
}

}  // namespace

Status LimiterState::apply_charge(KeyEntry& entry, const RuledItem& item, const Moment& at, storage::Seq seq,
                                  const Hold* hold) {
  std::vector<Clipped> too_much;
  if (hold != nullptr && entry.usage.rule.is_set()) {
    entry.follow_patterns();
    too_much = clipped(entry, item.cost, at.time);
  }
  if (Status charged = replay_usages(entry, item, at, seq); !charged.ok()) return charged;
  if (hold != nullptr) {
    entry.make_held().add({.number = hold->number,
                           .units = item.cost,
                           .charged_at = at.time,
                           .ends_at = end_of(item.usages.front().limit, hold->ttl, at.time),
                           .takes_slots = item.usages.front().limit.algorithm == Algorithm::kConcurrency,
                           .returns = hold->on_expiry == OnExpiry::kReturn,
                           .parts = parts_of(entry, too_much, item.cost, at.time)});
  }
  entry.note_record(seq, item.denials);
  entry.add_allowed(item.cost, at.wall);
  return {};
}

/// A refund stands in the record as the states that it left, like everything; only the runs of a sliding log are made
/// from the state before.
Status LimiterState::apply_settled(KeyEntry& entry, const SettledItem& item, const SettledEvent& event,
                                   const Moment& at, storage::Seq seq) {
  if (item.extra > 0) {
    const RuledItem charge{.id = item.id, .cost = item.extra, .denials = {}, .born = {}, .usages = item.usages};
    if (Status charged = replay_usages(entry, charge, at, seq); !charged.ok()) return charged;
  } else if (!item.usages.empty()) {
    if (entry.kind == KeyKind::kBorn) entry.follow_patterns();
    entry.work_off(0, at.time);
    for (const RecordedUsage& recorded : item.usages) {
      Rule rule =
          recorded.version == 0 ? limits.rule(recorded.limit) : limits.version(recorded.version, recorded.limit);
      if (entry.kind == KeyKind::kSet) rule = entry.usage.rule;
      Usage* const usage = entry.find_usage(rule);
      if (usage == nullptr || usage->limit() != recorded.limit ||
          !algorithm::restore(usage->state, recorded.after, recorded.limit, 0, at.time)) {
        return contradiction("gives back what its key has not in use", seq);
      }
    }
    runs_changed(entry);
  }
  if (Held* const all = entry.held()) {
    Held::Item* const held = all->find(event.number);
    if (event.as == SettledAs::kReturned) {
      all->give_up(event.number, at.time);
    } else if (event.as != SettledAs::kRenewed) {
      all->remove(event.number);
    } else if (held != nullptr) {
      held->ends_at =
          held->takes_slots ? end_of(entry.limit(), event.ttl, at.time) : base::saturating_add(at.time, event.ttl);
    }
  }
  entry.correct_cost(item.extra, item.less);
  entry.note_record(seq, item.denials);
  return {};
}

void LimiterState::runs_changed(const KeyEntry& entry) {
  if (entry.id == cursor_.next) cursor_.copied = {};
}

void LimiterState::note_reserved(const ReservedEvent& event, std::span<const RuledItem> charges, const Moment& at,
                                 storage::Seq seq) {
  if (holds.find(event.id.number) != nullptr) return;  // a snapshot told of it
  Reservation reservation{.id = event.id,
                          .last_seq = seq,
                          .reserved_at = at,
                          .expires_at = base::saturating_add(at.time, event.ttl),
                          .expires_at_wall = base::saturating_add(at.wall, event.ttl),
                          .on_expiry = event.on_expiry};
  // Live they are passed over before; in replay, here.
  for (std::size_t n = 0; n < kForgottenAtOnce; ++n) {
    Reservation* const expired = holds.next_expired(at.time);
    if (expired == nullptr || expired->on_expiry != OnExpiry::kKeep) break;
    holds.pass_over(*expired);
  }
  auto charge = charges.begin();
  for (const ReservedEvent::Key& key : event.keys) {
    reservation.items.push_back({.key = std::string(key.name), .cost = key.cost});
    if (key.is_held) reservation.items.back().id = (charge++)->id;
  }
  holds.add(std::move(reservation));
  holds.forget_old(at.time, kForgottenAtOnce);
}

void LimiterState::note_settled(const SettledEvent& event, const Moment& at, storage::Seq seq) {
  Reservation* const reservation = holds.find(event.number);
  if (reservation == nullptr || seq <= reservation->last_seq) return;
  reservation->last_seq = seq;
  if (event.as == SettledAs::kRenewed) {
    return holds.renew(*reservation, base::saturating_add(at.time, event.ttl),
                       base::saturating_add(at.wall, event.ttl));
  }
  if (event.as == SettledAs::kReturned) {
    reservation->is_returned = true;
  } else {
    reservation->settled = event.as;
    reservation->settled_at = at;
    for (std::size_t i = 0; i < reservation->items.size() && i < event.items.size(); ++i) {
      reservation->items[i].settled = event.items[i].cost;
      reservation->items[i].verdict = event.items[i].verdict;
    }
  }
  holds.end(*reservation);
}

Status LimiterState::replay_reserved(const LogEvent& event, storage::Seq seq) {
  const Hold hold{event.reserved->id.number, event.reserved->ttl, event.reserved->on_expiry};
  for (const RuledItem& item : event.ruled) {
    if (Status applied = replay_ruled(event, item, seq, &hold); !applied.ok()) return applied;
  }
  note_reserved(*event.reserved, event.ruled, event.at, seq);
  return event_.request ? replay_request(*event_.request) : Status();
}

Status LimiterState::replay_settled(const LogEvent& event, storage::Seq seq) {
  for (const SettledItem& item : event.settled->items) {
    if (item.id == Reservation::kNothingHeld || went_before(item.id)) continue;
    KeyEntry* const entry = keys.find(item.id);
    if (entry == nullptr) return contradiction("settles for a key that is not there", seq);
    if (seq <= entry->last_seq) continue;
    if (Status applied = apply_settled(*entry, item, *event.settled, event.at, seq); !applied.ok()) return applied;
  }
  note_settled(*event.settled, event.at, seq);
  return {};
}

}  // namespace flint::limiter
