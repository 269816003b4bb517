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

SlidingLog SlidingLog::holding(Run in_use, const Limit& limit) {
  SlidingLog log;
  if (in_use.cost > 0) log.append(in_use.time, in_use.cost, limit.per);
  return log;
}

Outcome SlidingLog::decide(const Limit& limit, Units cost, Time now) const noexcept {
  FLINT_ASSERT(cost >= 1 && cost <= limit.capacity());
  now = seen(now);
  const std::size_t live = first_live(now, limit.per);
  const std::uint64_t before = total_before(live);
  const Units spent = total() - before;
  const Units remaining = left(spent, limit);
  if (cost <= remaining) {
    const RecordedState after{Algorithm::kSlidingWindowLog, spent + cost, 0};
    return {{true, remaining - cost, limit.per, Nanos::zero()}, after};
  }
  // The cost fits once enough of the oldest units have expired, and with them the run that holds the last of those.
  const Units excess = spent - (limit.rate - cost);
  const auto last = std::partition_point(entries_.begin() + static_cast<std::ptrdiff_t>(live), entries_.end(),
                                         [&](const Entry& entry) { return entry.total - before < excess; });
  return {
      {false, remaining, time_until_expiry(last_time(), now, limit.per), time_until_expiry(last->time, now, limit.per)},
      {}};
}

void SlidingLog::consume(const Limit& limit, Units cost, Time now, const Outcome& allowed) {
  FLINT_ASSERT(allowed.allowed);
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

Run SlidingLog::in_use(const Limit& limit, Time now) const noexcept { return {seen(now), spent(now, limit.per)}; }

SlidingLog SlidingLog::reconfigured(const Limit&, const Limit& to, Time now) const {
  SlidingLog log = *this;
  log.keep_newest(to.rate, now, to.per);
  return log;
}

Units SlidingLog::spent(Time now, Nanos per) const noexcept {
  return total() - total_before(first_live(seen(now), per));
}

Run SlidingLog::run(std::size_t index) const noexcept {
  const std::size_t at = head_ + index;
  return {entries_[at].time, entries_[at].total - total_before(at)};
}

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

RecordedState SlidingLog::describe(const Limit& limit, Time at) const noexcept {
  return {Algorithm::kSlidingWindowLog, spent(at, limit.per), 1};
}
RecordedState SlidingLog::describe_kept(const Limit& limit, Time at) const noexcept {
  return {Algorithm::kSlidingWindowLog, spent(at, limit.per), 0};
}

bool SlidingLog::restore(const RecordedState& after, const Limit& limit, Units cost, Time at) {
  if (after.second > 1 || after.first > kMaxUnits) return false;
  const bool replaced = after.second == 1;
  if (replaced) *this = fresh();
  // Without a cost it is a changed limit: units beyond its rate were dropped.
  if (!replaced && cost == 0) keep_newest(after.first, at, limit.per);
  const Units added = replaced ? after.first : std::min(cost, kMaxUnits - std::min(kMaxUnits, spent(at, limit.per)));
  if (added > 0) append(at, added, limit.per);
  const Units counted = spent(at, limit.per);
  // A version that did not bound the runs wrote how much was spent without merging them.
  return counted == after.first || (size() == kMaxRuns && counted > after.first);
}

void SlidingLog::encode_runs(base::Writer& out, std::size_t begin, std::size_t end) const noexcept {
  Run last = run(begin);
  out.fixed(last.time.time_since_epoch().count());
  out.varint(last.cost);
  for (std::size_t i = begin + 1; i < end; ++i) {
    const Run next = run(i);
    out.varint(static_cast<std::uint64_t>((next.time - last.time).count()));
    out.varint(next.cost);
    last = next;
  }
}

bool SlidingLog::decode_runs(base::Reader& in, Nanos per) {
  for (Time time = Time(Nanos(in.fixed<std::int64_t>()));;) {
    const Units cost = in.varint();
    const bool ascends = empty() || last_time() < time;
    if (!in.ok() || !ascends || !is_limiter_time(time) || cost < 1) return false;
    if (cost > kMaxUnits - spent(time, per)) return false;
    append(time, cost, per);
    if (in.left() == 0) return true;
    const std::uint64_t gap = in.varint();
    if (gap > static_cast<std::uint64_t>(kMaxPeriod.count())) return false;
    time += Nanos(static_cast<std::int64_t>(gap));
  }
}

bool operator==(const SlidingLog& a, const SlidingLog& b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a.run(i) != b.run(i)) return false;
  }
  return true;
}

}  // namespace flint::algorithm
