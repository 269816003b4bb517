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

Units Held::most_of(const Item& item) noexcept {
  Units most = 0;
  for (const Part& part : item.parts) most = std::max(most, part.units);
  return most;
}

const Held::Item* Held::find(std::uint64_t number) const noexcept {
  const auto found = std::lower_bound(items_.begin(), items_.end(), number,
                                      [](const Item& item, std::uint64_t wanted) { return item.number < wanted; });
  return found != items_.end() && found->number == number && !found->is_done ? &*found : nullptr;
}

Held::Item* Held::find(std::uint64_t number) noexcept { return const_cast<Item*>(std::as_const(*this).find(number)); }

void Held::add(Item item) {
  most_parts_ = base::saturating_add(most_parts_, most_of(item));
  first_old_ = std::min(first_old_, old_at(item));
  items_.push_back(std::move(item));
}

void Held::remove(std::uint64_t number) {
  Item* const item = find(number);
  if (item == nullptr) return;
  most_parts_ -= most_of(*item);
  item->parts.clear();
  item->is_done = true;
  ++done_;
  drop_done();
}

void Held::give_up(std::uint64_t number, Time now) {
  Item* const item = find(number);
  if (item == nullptr) return;
  most_parts_ -= most_of(*item);
  item->parts.clear();
  item->ends_at = std::min(item->ends_at, now);
  item->returns = false;
  first_old_ = std::min(first_old_, old_at(*item));
}

/// When they are half of all: so each is moved once, on average.
void Held::drop_done() {
  if (done_ * 2 < items_.size()) return;
  std::erase_if(items_, [](const Item& each) { return each.is_done; });
  done_ = 0;
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
    most_parts_ -= most_of(item);
    item.parts.clear();
    item.is_done = true;
    ++done_;
  }
  drop_done();
}

void Held::work_off(const Rule& rule, const algorithm::State& state, Units cost, Time now) {
  remove_old(now);
  const Limit& limit = rule.limit();
  for (std::size_t window = 0; window < limit.window_count(); ++window) {
    if (cost > kMaxUnits - std::min(kMaxUnits, algorithm::in_use(state, limit, window, now))) {
      work_off_window(rule, window, 0);
      continue;
    }
    const Units most = algorithm::most_given_back(state, limit, window, now);
    if (most < most_parts_) work_off_window(rule, window, most);
  }
}

/// The oldest first.
void Held::work_off_window(const Rule& rule, std::size_t window, Units most) {
  const auto for_each_part = [&](const auto& visit) {
    for (Item& item : items_) {
      for (Part& part : item.parts) {
        if (part.window == window && part.rule == rule) visit(item, part);
      }
    }
  };
  Units all = 0;
  for_each_part([&](const Item&, const Part& part) { all += part.units; });
  Units excess = all > most ? all - most : 0;
  if (excess == 0) return;
  for_each_part([&](const Item& item, Part& part) {
    const Units before = most_of(item);
    const Units worked_off = std::min(excess, part.units);
    part.units -= worked_off;
    excess -= worked_off;
    most_parts_ -= before - most_of(item);
  });
}

void Held::succeed(const Rule& from, const Rule& to) {
  for (Item& item : items_) {
    for (Part& part : item.parts) {
      if (part.rule == from) part.rule = to;
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

Time Held::when_held(Units most, Time now) const {
  std::vector<std::pair<Time, Units>> ends;
  Units held = 0;
  for_each([&](const Item& item) {
    if (item.ends_at <= now) return;
    ends.emplace_back(item.ends_at, item.units);
    held += item.units;
  });
  std::sort(ends.begin(), ends.end());
  for (auto next = ends.begin(); held > most && next != ends.end(); ++next) {
    held -= next->second;
    now = next->first;
  }
  return now;
}

}  // namespace flint::limiter
