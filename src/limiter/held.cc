#include "limiter/held.h"

#include <algorithm>
#include <utility>

#include "base/arithmetic.h"
#include "flint/reservation.h"

namespace flint::limiter {
namespace {

[[nodiscard]] Time old_at(const Held::Item& item) noexcept {
  return item.returns ? Time::max() : base::saturating_add(item.ends_at, kSettledKnownFor);
}

}  // namespace

const Held::Item* Held::find(std::uint64_t number) const noexcept {
  const auto found = std::lower_bound(items_.begin(), items_.end(), number,
                                      [](const Item& item, std::uint64_t wanted) { return item.number < wanted; });
  return found != items_.end() && found->number == number && !found->is_done ? &*found : nullptr;
}

Held::Item* Held::find(std::uint64_t number) noexcept { return const_cast<Item*>(std::as_const(*this).find(number)); }

Held::Sum& Held::sum_of(const Part& part) {
  for (Sum& sum : sums_) {
    if (sum.window == part.window && sum.rule == part.rule) return sum;
  }
  return sums_.emplace_back(Sum{part.rule, part.window, 0, 0});
}

void Held::add(Item item) {
  for (const Part& part : item.parts) sum_of(part).amount += part.amount;
  first_old_ = std::min(first_old_, old_at(item));
  items_.push_back(std::move(item));
}

void Held::clear_parts(Item& item) {
  for (const Part& part : item.parts) sum_of(part).amount -= part.amount;
  item.parts.clear();
}

void Held::remove(std::uint64_t number) {
  Item* const item = find(number);
  if (item == nullptr) return;
  clear_parts(*item);
  item->is_done = true;
  ++done_;
  drop_done();
}

void Held::give_up(std::uint64_t number, Time now) {
  Item* const item = find(number);
  if (item == nullptr) return;
  clear_parts(*item);
  item->ends_at = std::min(item->ends_at, now);
  item->returns = false;
  first_old_ = std::min(first_old_, old_at(*item));
}

/// When they are half of all: so each is moved once, on average.
void Held::drop_done() {
  if (done_ * 2 < items_.size()) return;
  std::erase_if(items_, [](const Item& each) { return each.is_done; });
  done_ = 0;
  for (Sum& sum : sums_) sum.first = 0;
}

void Held::remove_old(Time now) {
  if (now < first_old_) return;
  first_old_ = Time::max();
  for (Item& item : items_) {
    if (item.is_done) continue;
    if (old_at(item) > now) {
      first_old_ = std::min(first_old_, old_at(item));
      continue;
    }
    clear_parts(item);
    item.is_done = true;
    ++done_;
  }
  drop_done();
}

void Held::work_off(const Rule& rule, const algorithm::State& state, Units cost, Time now) {
  remove_old(now);
  const Limit& limit = rule.limit();
  for (Sum& sum : sums_) {
    if (sum.rule != rule || sum.amount == 0) continue;
    const bool is_clipped = cost > kMaxUnits - std::min(kMaxUnits, algorithm::in_use(state, limit, sum.window, now));
    work_off(sum, is_clipped ? 0 : algorithm::most_given_back(state, limit, sum.window, now));
  }
}

/// The oldest first.
void Held::work_off(Sum& sum, algorithm::Amount most) {
  for (; sum.amount > most && sum.first < items_.size(); ++sum.first) {
    for (Part& part : items_[sum.first].parts) {
      if (part.window != sum.window || part.rule != sum.rule) continue;
      const algorithm::Amount less = std::min(sum.amount - most, part.amount);
      part.amount -= less;
      sum.amount -= less;
      if (part.amount > 0) return;
    }
  }
}

/// Where the period changes, so does what an amount means: what is left of a unit is rounded down.
void Held::succeed(const Rule& from, const Rule& to) {
  for (Sum& sum : sums_) {
    if (sum.rule != from) continue;
    const auto before = static_cast<std::uint64_t>(algorithm::amount_of_unit(from.limit(), sum.window));
    const auto after = static_cast<std::uint64_t>(algorithm::amount_of_unit(to.limit(), sum.window));
    sum.rule = to;
    sum.amount = 0;
    for (Item& item : items_) {
      for (Part& part : item.parts) {
        if (part.rule != from || part.window != sum.window) continue;
        const auto whole = static_cast<std::uint64_t>(part.amount / before);
        const auto rest = static_cast<std::uint64_t>(part.amount % before);
        part.rule = to;
        part.amount = base::multiply(whole, after) + base::multiply(rest, after) / before;
        sum.amount += part.amount;
      }
    }
  }
}

Units Held::units(Time now) const noexcept {
  Units held = 0;
  for_each([&](const Item& item) {
    if (item.ends_at > now) held += item.units;
  });
  return held;
}

Units Held::slots(Time now) const noexcept {
  Units taken = 0;
  for_each([&](const Item& item) {
    if (item.takes_slots && item.ends_at > now) taken += item.units;
  });
  return taken;
}

Time Held::when_slots(Units most, Time now) const {
  std::vector<std::pair<Time, Units>> ends;
  Units taken = 0;
  for_each([&](const Item& item) {
    if (!item.takes_slots || item.ends_at <= now) return;
    ends.emplace_back(item.ends_at, item.units);
    taken += item.units;
  });
  std::sort(ends.begin(), ends.end());
  for (auto next = ends.begin(); taken > most && next != ends.end(); ++next) {
    taken -= next->second;
    now = next->first;
  }
  return now;
}

}  // namespace flint::limiter
