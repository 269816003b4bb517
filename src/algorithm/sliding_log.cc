#include "algorithm/sliding_log.h"

#include <algorithm>

#include "base/arithmetic.h"

namespace flint::algorithm {
namespace {

/// Not `now < time + per`, which overflows at the end of time.
[[nodiscard]] bool counts(Time time, Time now, Nanos per) noexcept {
  return base::elapsed(time, now) < static_cast<std::uint64_t>(per.count());
}

/// How long a run that counts goes on to count.
[[nodiscard]] Nanos time_until_expiry(Time time, Time now, Nanos per) noexcept {
  return per - base::saturating_nanos(base::elapsed(time, now));
}

[[nodiscard]] Units left(Units spent, const Limit& limit) noexcept {
  return spent < limit.rate ? limit.rate - spent : 0;
}

}  // namespace

std::optional<SlidingLog> SlidingLog::from_runs(std::span<const Run> runs) {
  if (runs.size() > kMostRuns) return std::nullopt;
  SlidingLog log;
  log.entries_.reserve(runs.size());
  std::uint64_t total = 0;
  for (const Run& run : runs) {
    if (run.cost == 0 || run.cost > kMaxUnits - total) return std::nullopt;
    if (!log.empty() && run.time <= log.last_time()) return std::nullopt;
    total += run.cost;
    log.entries_.push_back({run.time, total});
  }
  return log;
}

Verdict SlidingLog::decide(const Limit& limit, Units cost, Time now) const noexcept {
  FLINT_ASSERT(cost >= 1 && cost <= limit.capacity());
  now = seen(now);
  const std::size_t live = first_live(now, limit.per);
  const std::uint64_t before = total_before(live);
  const Units spent = total() - before;
  const Units remaining = left(spent, limit);
  if (cost <= remaining) return {true, remaining - cost, limit.per, Nanos::zero()};
  // The cost fits once enough of the oldest units have expired, and with them the run that holds the last of those.
  const Units excess = spent - (limit.rate - cost);
  const auto last = std::partition_point(entries_.begin() + static_cast<std::ptrdiff_t>(live), entries_.end(),
                                         [&](const Entry& entry) { return entry.total - before < excess; });
  return {false, remaining, time_until_expiry(last_time(), now, limit.per),
          time_until_expiry(last->time, now, limit.per)};
}

void SlidingLog::consume(const Limit& limit, Units cost, Time now) {
  FLINT_ASSERT(cost >= 1 && cost <= left(spent(now, limit.per), limit));
  append(now, cost, limit.per);
}

View SlidingLog::view(const Limit& limit, Time now) const noexcept {
  now = seen(now);
  const std::size_t live = first_live(now, limit.per);
  if (live == entries_.size()) return {limit.rate, Nanos::zero()};
  return {left(total() - total_before(live), limit), time_until_expiry(last_time(), now, limit.per)};
}

void SlidingLog::append(Time time, Units cost, Nanos per, std::size_t most_runs) {
  time = seen(time);
  drop_before(first_live(time, per));
  if (!empty() && last_time() == time) {
    entries_.back().total += cost;
  } else {
    entries_.push_back({time, total() + cost});
    if (size() > most_runs) merge_oldest();
  }
}

/// An entry's cost is what its total adds to the one before: it takes over the cost of the entry before it when that
/// one's total becomes what it was before both.
void SlidingLog::merge_oldest() {
  entries_[head_].total = total_before(head_);
  drop_before(head_ + 1);
}

void SlidingLog::keep_newest(Units most, Time now, Nanos per) {
  const Units units = spent(now, per);
  if (units <= most) return;
  const std::size_t live = first_live(seen(now), per);
  const std::uint64_t dropped = total_before(live) + (units - most);
  const auto kept = std::partition_point(
      entries_.begin() + static_cast<std::ptrdiff_t>(live), entries_.end(),
      [&, before = total_before(live)](const Entry& entry) { return entry.total - before <= units - most; });
  entries_.erase(entries_.begin(), kept);
  head_ = 0;
  forgotten_ = dropped;
}

/// While a run is in the log, its time and its total stay as they are, but for the total of the newest one: so what was
/// copied before needs no second look, but for the last of it. Where the log begins by now, and what was spent before,
/// is settled at the end.
bool SlidingLog::copy_more(SlidingLog& copy, std::size_t most) const {
  const auto is_earlier = [](const Entry& entry, Time time) { return entry.time < time; };
  auto next = entries_.begin() + static_cast<std::ptrdiff_t>(head_);
  if (!copy.entries_.empty()) {
    const auto last = std::lower_bound(next, entries_.end(), copy.entries_.back().time, is_earlier);
    if (last != entries_.end() && last->time == copy.entries_.back().time) {
      next = last;
      copy.entries_.pop_back();
    } else {
      copy.entries_.clear();
    }
  }
  // With room for what is appended meanwhile: to move what is copied takes as long as to copy it at once.
  if (copy.entries_.empty()) copy.entries_.reserve(size() + size() / 8);
  const auto left = static_cast<std::size_t>(entries_.end() - next);
  copy.entries_.insert(copy.entries_.end(), next, next + static_cast<std::ptrdiff_t>(std::min(left, most)));
  if (left > most) return false;
  if (empty()) {
    copy = fresh();
    return true;
  }
  const auto head = std::lower_bound(copy.entries_.begin(), copy.entries_.end(), entries_[head_].time, is_earlier);
  copy.head_ = static_cast<std::size_t>(head - copy.entries_.begin());
  (copy.head_ == 0 ? copy.forgotten_ : copy.entries_[copy.head_ - 1].total) = total_before(head_);
  return true;
}

Units SlidingLog::spent(Time now, Nanos per) const noexcept {
  return total() - total_before(first_live(seen(now), per));
}

Run SlidingLog::run(std::size_t index) const noexcept {
  const std::size_t at = head_ + index;
  return {entries_[at].time, entries_[at].total - total_before(at)};
}

Time SlidingLog::seen(Time now) const noexcept { return empty() ? now : std::max(now, last_time()); }

std::size_t SlidingLog::first_live(Time now, Nanos per) const noexcept {
  if (empty() || counts(entries_[head_].time, now, per)) return head_;
  const auto live = std::partition_point(entries_.begin() + static_cast<std::ptrdiff_t>(head_), entries_.end(),
                                         [&](const Entry& entry) { return !counts(entry.time, now, per); });
  return static_cast<std::size_t>(live - entries_.begin());
}

std::uint64_t SlidingLog::total_before(std::size_t index) const noexcept {
  return index == 0 ? forgotten_ : entries_[index - 1].total;
}

void SlidingLog::drop_before(std::size_t index) {
  head_ = index;
  if (head_ == 0 || head_ < entries_.size() - head_) return;
  forgotten_ = total_before(head_);
  const auto live = entries_.begin() + static_cast<std::ptrdiff_t>(head_);
  // The memory of a burst long past is given back; with the factor of 4, a log of steady size never reallocates.
  if (size() < entries_.capacity() / 4) {
    std::vector<Entry> kept;
    kept.reserve(2 * size() + 1);
    kept.assign(live, entries_.end());
    entries_ = std::move(kept);
  } else {
    entries_.erase(entries_.begin(), live);
  }
  head_ = 0;
}

bool operator==(const SlidingLog& a, const SlidingLog& b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a.run(i) != b.run(i)) return false;
  }
  return true;
}

}  // namespace flint::algorithm
