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

constinit const SlidingLog::Runs SlidingLog::kNone{};

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
  const std::vector<Entry>& entries = runs().entries;
  const auto last = std::partition_point(entries.begin() + static_cast<std::ptrdiff_t>(live), entries.end(),
                                         [&](const Entry& entry) { return entry.total - before < excess; });
  return {
      {false, remaining, time_until_expiry(last_time(), now, limit.per), time_until_expiry(last->time, now, limit.per)},
      {}};
}

Outcome SlidingLog::charged(const Limit& limit, Units cost, Time now) const noexcept {
  const Units after = spent(now, limit.per) + cost;
  return {{true, left(after, limit), limit.per, Nanos::zero()}, {Algorithm::kSlidingWindowLog, after, 0}};
}

void SlidingLog::consume(const Limit& limit, Units cost, Time now, const Outcome& allowed) {
  FLINT_ASSERT(allowed.allowed);
  if (cost > 0) append(now, cost, limit.per);
}

/// Where the runs are as many as can be, those of that time may have become part of the next one.
std::size_t SlidingLog::charged_in(Time time, Time now, Nanos per) const noexcept {
  const std::vector<Entry>& entries = runs().entries;
  if (!counts(time, seen(now), per)) return entries.size();
  const auto run = std::lower_bound(entries.begin() + static_cast<std::ptrdiff_t>(runs().head), entries.end(), time,
                                    [](const Entry& entry, Time at) { return entry.time < at; });
  return static_cast<std::size_t>(run - entries.begin());
}

RecordedState SlidingLog::given_back(const Limit& limit, Units& units, Time charged_at, Time now) const noexcept {
  const std::size_t at = charged_in(charged_at, now, limit.per);
  const std::vector<Entry>& entries = runs().entries;
  units = at == entries.size() ? 0 : std::min<Units>(units, entries[at].total - total_before(at));
  if (units == 0) return describe_kept(limit, now);
  return {Algorithm::kSlidingWindowLog, spent(now, limit.per) - units, 2 + base::elapsed(charged_at, now), units};
}

View SlidingLog::view_without(const Limit& limit, Units units, Time charged_at, Time now) const noexcept {
  now = seen(now);
  const Units spent_then = spent(now, limit.per) - units;
  if (spent_then == 0) return {limit.rate, Nanos::zero()};
  const std::vector<Entry>& entries = runs().entries;
  const std::size_t newest = entries.size() - 1;
  const bool is_newest = charged_in(charged_at, now, limit.per) == newest;
  const bool goes = is_newest && units == entries[newest].total - total_before(newest);
  return {left(spent_then, limit), time_until_expiry(entries[goes ? newest - 1 : newest].time, now, limit.per)};
}

Units SlidingLog::give_back(const Limit& limit, Units units, Time charged_at, Time now) {
  const std::size_t at = charged_in(charged_at, now, limit.per);
  if (at == runs().entries.size()) return 0;
  std::vector<Entry>& entries = runs().entries;
  const std::uint64_t before = total_before(at);
  units = std::min<Units>(units, entries[at].total - before);
  for (std::size_t later = at; later < entries.size(); ++later) entries[later].total -= units;
  if (entries[at].total == before) entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(at));
  if (empty()) runs_.reset();
  return units;
}

View SlidingLog::view(const Limit& limit, Time now) const noexcept {
  now = seen(now);
  const std::size_t live = first_live(now, limit.per);
  if (live == runs().entries.size()) return {limit.rate, Nanos::zero()};
  return {left(total() - total_before(live), limit), time_until_expiry(last_time(), now, limit.per)};
}

void SlidingLog::append(Time time, Units cost, Nanos per, std::size_t most_runs) {
  time = seen(time);
  drop_before(first_live(time, per));
  if (!empty() && last_time() == time) {
    runs().entries.back().total += cost;
  } else {
    runs().entries.push_back({time, total() + cost});
    if (size() > most_runs) merge_oldest();
  }
}

/// An entry's cost is what its total adds to the one before: it takes over the cost of the entry before it when that
/// one's total becomes what it was before both.
void SlidingLog::merge_oldest() {
  const std::size_t head = runs().head;
  runs().entries[head].total = total_before(head);
  drop_before(head + 1);
}

void SlidingLog::keep_newest(Units most, Time now, Nanos per) {
  const Units units = spent(now, per);
  if (units <= most) return;
  const std::size_t live = first_live(seen(now), per);
  const std::uint64_t before = total_before(live);
  std::vector<Entry>& entries = runs().entries;
  const auto kept = std::partition_point(entries.begin() + static_cast<std::ptrdiff_t>(live), entries.end(),
                                         [&](const Entry& entry) { return entry.total - before <= units - most; });
  entries.erase(entries.begin(), kept);
  runs().head = 0;
  runs().forgotten = before + (units - most);
}

/// While a run is in the log, its time and its total stay as they are, but for the total of the newest one: so what was
/// copied before needs no second look, but for the last of it. Where the log begins by now, and what was spent before,
/// is settled at the end.
bool SlidingLog::copy_more(SlidingLog& copy, std::size_t most) const {
  const auto is_earlier = [](const Entry& entry, Time time) { return entry.time < time; };
  const std::vector<Entry>& from = runs().entries;
  std::vector<Entry>& to = copy.runs().entries;
  auto next = from.begin() + static_cast<std::ptrdiff_t>(runs().head);
  if (!to.empty()) {
    const auto last = std::lower_bound(next, from.end(), to.back().time, is_earlier);
    if (last != from.end() && last->time == to.back().time) {
      next = last;
      to.pop_back();
    } else {
      to.clear();
    }
  }
  // With room for what is appended meanwhile: to move what is copied takes as long as to copy it at once.
  if (to.empty()) to.reserve(size() + size() / 8);
  const auto left = static_cast<std::size_t>(from.end() - next);
  to.insert(to.end(), next, next + static_cast<std::ptrdiff_t>(std::min(left, most)));
  if (left > most) return false;
  if (empty()) {
    copy = fresh();
    return true;
  }
  const auto begin = std::lower_bound(to.begin(), to.end(), from[runs().head].time, is_earlier);
  const auto head = static_cast<std::size_t>(begin - to.begin());
  copy.runs().head = head;
  (head == 0 ? copy.runs().forgotten : to[head - 1].total) = total_before(runs().head);
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
  const std::size_t at = runs().head + index;
  const Entry& entry = runs().entries[at];
  return {entry.time, entry.total - total_before(at)};
}

std::size_t SlidingLog::first_live(Time now, Nanos per) const noexcept {
  const auto& [entries, head, forgotten] = runs();
  if (empty() || counts(entries[head].time, now, per)) return head;
  const auto live = std::partition_point(entries.begin() + static_cast<std::ptrdiff_t>(head), entries.end(),
                                         [&](const Entry& entry) { return !counts(entry.time, now, per); });
  return static_cast<std::size_t>(live - entries.begin());
}

std::uint64_t SlidingLog::total_before(std::size_t index) const noexcept {
  return index == 0 ? runs().forgotten : runs().entries[index - 1].total;
}

void SlidingLog::drop_before(std::size_t index) {
  auto& [entries, head, forgotten] = runs();
  head = index;
  if (head == 0 || head < entries.size() - head) return;
  forgotten = total_before(head);
  const auto live = entries.begin() + static_cast<std::ptrdiff_t>(head);
  // The memory of a burst long past is given back; with the factor of 4, a log of steady size never reallocates.
  if (size() < entries.capacity() / 4) {
    std::vector<Entry> kept;
    kept.reserve(2 * size() + 1);
    kept.assign(live, entries.end());
    entries = std::move(kept);
  } else {
    entries.erase(entries.begin(), live);
  }
  head = 0;
}

RecordedState SlidingLog::describe(const Limit& limit, Time at) const noexcept {
  return {Algorithm::kSlidingWindowLog, spent(at, limit.per), 1};
}
RecordedState SlidingLog::describe_kept(const Limit& limit, Time at) const noexcept {
  return {Algorithm::kSlidingWindowLog, spent(at, limit.per), 0};
}

bool SlidingLog::restore(const RecordedState& after, const Limit& limit, Units cost, Time at) {
  if (after.first > kMaxUnits) return false;
  if (after.second > 1) {
    const std::uint64_t age = after.second - 2;
    if (cost > 0 || age > static_cast<std::uint64_t>(at.time_since_epoch().count())) return false;
    const Time charged_at = at - Nanos(static_cast<std::int64_t>(age));
    return give_back(limit, after.third, charged_at, at) == after.third && spent(at, limit.per) == after.first;
  }
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
