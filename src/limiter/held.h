#pragma once

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <vector>

#include "algorithm/algorithm.h"
#include "flint/limit.h"
#include "limiter/limits.h"

namespace flint::limiter {

/// What reservations hold of one key: the slots that they take, and how much of what they charged can still be given
/// back. In the order of the reservations' numbers, which is that of their charges.
///
/// A refund never leaves less in use than if its charge had not been made. Where a charge is in use still follows from
/// its time for windows and logs. A bucket works off the oldest units first, whoever took them: before each charge of
/// the key and each refund, what the items could still give back is brought down to what is in use, the oldest item
/// first. So the sum of any of them was never more than what was in use at any moment since, which is what the history
/// without their charges has more.
///
/// Part of the state: it changes by events alone, the same way when they are decided and when they are replayed.
class Held {
 public:
  /// What an item can give back at most of one window of a usage.
  struct Part {
    HeldRule rule;
    std::uint8_t window = 0;
    algorithm::Amount amount = 0;

    friend bool operator==(const Part&, const Part&) = default;
  };
  using Parts = boost::container::small_vector<Part, 1>;
  struct Item {
    /// Of the reservation.
    std::uint64_t number = 0;
    Units units = 0;
    Time charged_at{};
    /// When it expires, or when its slots are free again, if that is earlier.
    Time ends_at{};
    /// Its units are slots of a concurrency limit.
    bool takes_slots = false;
    /// It will be given back, however late that is logged.
    bool returns = false;
    bool is_done = false;
    Parts parts = {};

    friend bool operator==(const Item&, const Item&) = default;
  };

  [[nodiscard]] bool empty() const noexcept { return items_.size() == done_; }
  /// Of the newest one that it knows; 0 if there is none.
  [[nodiscard]] std::uint64_t last_number() const noexcept { return items_.empty() ? 0 : items_.back().number; }
  /// Null if there is none of this number.
  [[nodiscard]] Item* find(std::uint64_t number) noexcept;
  [[nodiscard]] const Item* find(std::uint64_t number) const noexcept;
  /// Its number is higher than all before.
  void add(Item item);
  void remove(std::uint64_t number);
  /// It was given back at `now`: nothing more of it is. It stays as long as it may still be settled, so that its key
  /// does.
  void give_up(std::uint64_t number, Time now);
  /// Lets go of what expired so long ago that nobody can settle it any more.
  void remove_old(Time now);

  /// Before `cost` is charged to a usage (0: before a refund). Where more than kMaxUnits would be in use, some of the
  /// cost will not count, and nothing is given back of what came before it.
  void work_off(const Rule& rule, const algorithm::State& state, Units cost, Time now);
  /// Nothing is given back any more of what was charged under a rule for which `stays` is false.
  template <typename Stays>
  void forget_unless(const Stays& stays) {
    const auto goes = [&](const auto& each) { return !stays(each.rule); };
    if (std::none_of(sums_.begin(), sums_.end(), goes)) return;
    std::erase_if(sums_, goes);
    for (Item& item : items_) {
      item.parts.erase(std::remove_if(item.parts.begin(), item.parts.end(), goes), item.parts.end());
    }
  }
  void forget_all() {
    forget_unless([](const Rule&) { return false; });
  }
  /// The usage goes on under another rule, with all that was in use.
  void succeed(const Rule& from, const Rule& to);

  /// Units that are held at `now`.
  [[nodiscard]] Units units(Time now) const noexcept;
  /// Those of them that are slots.
  [[nodiscard]] Units slots(Time now) const noexcept;
  /// When at most `most` slots will be taken, if nobody settles anything; `now` if it is so already.
  [[nodiscard]] Time when_slots(Units most, Time now) const;

  /// Calls `visit` with each item.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (const Item& item : items_) {
      if (!item.is_done) visit(item);
    }
  }

 private:
  /// Of one window of a usage: what all items can give back, and the first item that can give something back. So to
  /// work off the oldest items takes as long as there are such items, each once.
  struct Sum {
    HeldRule rule;
    std::uint8_t window = 0;
    algorithm::Amount amount = 0;
    std::size_t first = 0;
  };
  [[nodiscard]] Sum& sum_of(const Part& part);
  /// The item can give nothing back any more.
  void clear_parts(Item& item);
  void work_off(Sum& sum, algorithm::Amount most);
  void drop_done();

  std::vector<Item> items_;
  std::size_t done_ = 0;
  std::vector<Sum> sums_;
  /// None can be let go of before.
  Time first_old_ = Time::max();
};

}  // namespace flint::limiter
