#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "algorithm/verdict.h"
#include "base/coding.h"
#include "flint/limit.h"

namespace flint::algorithm {

/// Remembers what passed when, and counts what passed within the last `per`: a run counts while now < time + per.
///
/// Bound: at most rate units in any window of length per. The only algorithm with no burst across a boundary, for 16
/// bytes of memory a run.
///
/// It holds at most kMaxRuns runs. Beyond that its two oldest become one, at the later of their times: usage then
/// counts for longer than it should and never for less, so the bound above holds.
///
/// The exact sliding window of the field (often one entry a unit in a sorted set). Here units of one time are one run,
/// whatever they cost, and each run keeps the sum of the costs up to it, so that a check is a binary search: neither a
/// denial nor a status walks the runs, and consume() drops each expired run once, in constant time on average.
class SlidingLog {
 public:
  static constexpr std::size_t kMaxRuns = 1'000'000;

  SlidingLog() noexcept = default;
  SlidingLog(const SlidingLog& other) : runs_(other.empty() ? nullptr : std::make_unique<Runs>(*other.runs_)) {}
  SlidingLog(SlidingLog&& other) noexcept = default;
  SlidingLog& operator=(SlidingLog other) noexcept {
    runs_ = std::move(other.runs_);
    return *this;
  }
  ~SlidingLog() = default;

  [[nodiscard]] static SlidingLog fresh() noexcept { return {}; }
  [[nodiscard]] static SlidingLog holding(Run in_use, const Limit& limit);

  [[nodiscard]] Outcome decide(const Limit& limit, Units cost, Time now) const noexcept;
  [[nodiscard]] Outcome charged(const Limit& limit, Units cost, Time now) const noexcept;
  void consume(const Limit& limit, Units cost, Time now, const Outcome& allowed);
  /// Gives back at most `units` of what was charged at `charged_at`, as far as they are still in use; returns how many
  /// those were.
  Units give_back(const Limit& limit, Units units, Time charged_at, Time now);
  /// What a record holds of the log after that, without doing it; `units` is then how many were still in use.
  [[nodiscard]] RecordedState given_back(const Limit& limit, Units& units, Time charged_at, Time now) const noexcept;
  /// What a status shows then.
  [[nodiscard]] View view_without(const Limit& limit, Units units, Time charged_at, Time now) const noexcept;
  [[nodiscard]] View view(const Limit& limit, Time now) const noexcept;

  /// What consume() does, without a verdict: for replay, where that was decided long ago.
  /// `most_runs` is for tests.
  void append(Time time, Units cost, Nanos per, std::size_t most_runs = kMaxRuns);
  /// Drops the oldest units that count at `now`, so that at most `most` are left.
  void keep_newest(Units most, Time now, Nanos per);
  [[nodiscard]] Run in_use(const Limit& limit, Time now) const noexcept;
  /// Whether a changed limit leaves the runs as they are, but for the oldest units where they are too many.
  [[nodiscard]] static bool stays(const Limit& from, const Limit& to) noexcept { return from.per == to.per; }
  [[nodiscard]] SlidingLog reconfigured(const Limit& from, const Limit& to, Time now) const;
  /// Units of the runs that count at `now`.
  [[nodiscard]] Units spent(Time now, Nanos per) const noexcept;

  /// Copies at most `most` runs to `copy`, oldest first, and goes on where the call before it stopped, whatever
  /// happened to this log in between. True once `copy` holds the same runs as this log now; before, it is not to be
  /// used for anything else. So that a long log can be copied without being held for long; `copy` is empty at first.
  [[nodiscard]] bool copy_more(SlidingLog& copy, std::size_t most) const;

  /// The runs that counted when the last one was appended, oldest first.
  [[nodiscard]] std::size_t size() const noexcept { return runs().entries.size() - runs().head; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] Run run(std::size_t index) const noexcept;
  /// The time of the newest run; the log has one.
  [[nodiscard]] Time last_time() const noexcept { return runs().entries.back().time; }
  [[nodiscard]] Time seen(Time now) const noexcept { return empty() ? now : std::max(now, last_time()); }

  /// Every log is valid: what restore() and decode_runs() accept is.
  [[nodiscard]] bool is_valid(const Limit&) const noexcept { return true; }

  /// In a record: first is the units that count at the event, second 1 when the runs were replaced by one run of those
  /// units at the time of the event, and 0 when they stay (the cost of the event, if it has one, is appended; without
  /// one, the oldest units were dropped until that many were left). Where units were given back, second is 2 + how long
  /// before the event they were charged, in ns, and third how many they were.
  [[nodiscard]] RecordedState describe(const Limit& limit, Time at) const noexcept;
  /// After a change of the limit that left the runs.
  [[nodiscard]] RecordedState describe_kept(const Limit& limit, Time at) const noexcept;
  [[nodiscard]] bool restore(const RecordedState& after, const Limit& limit, Units cost, Time at);

  /// In a snapshot: nothing; the runs follow by themselves.
  void encode(base::Writer&) const noexcept {}
  [[nodiscard]] bool decode(base::Reader&, const Limit&) noexcept { return true; }
  /// The runs from `begin` to `end`, at least one: 8 bytes time and varint cost of the first, then for each varint ns
  /// since the one before and varint cost. At most kMaxRunBytes each, and 8 bytes.
  static constexpr std::size_t kMaxRunBytes = 10 + 6;
  void encode_runs(base::Writer& out, std::size_t begin, std::size_t end) const noexcept;
  /// Appends what encode_runs() wrote, up to the end of `in`. False when it is anything else, or when the units that
  /// count are more than a limit allows; the log is then not to be used.
  [[nodiscard]] bool decode_runs(base::Reader& in, Nanos per);

  /// Bytes that the runs have on the heap.
  [[nodiscard]] std::size_t memory() const noexcept { return runs().entries.capacity() * sizeof(Entry); }

  /// The same runs.
  friend bool operator==(const SlidingLog& a, const SlidingLog& b) noexcept;

 private:
  struct Entry {
    Time time{};
    /// Costs of all runs ever appended, this one included. It may wrap: only differences are used.
    std::uint64_t total = 0;
  };
  static_assert(sizeof(Entry) == 16, "the header promises 16 bytes a run");

  /// Index of the entry that has the units charged at `time`; entries.size() if they do not count any more.
  [[nodiscard]] std::size_t charged_in(Time time, Time now, Nanos per) const noexcept;
  /// Index of the oldest entry that counts at `now`, which the log has seen.
  [[nodiscard]] std::size_t first_live(Time now, Nanos per) const noexcept;
  [[nodiscard]] std::uint64_t total_before(std::size_t index) const noexcept;
  [[nodiscard]] std::uint64_t total() const noexcept { return total_before(runs().entries.size()); }
  void drop_before(std::size_t index);
  void merge_oldest();

  /// The state of a key that is idle takes as little memory as that of the other algorithms: a pointer, and nothing
  /// more as long as nothing has passed.
  struct Runs {
    /// Entries before head are expired or merged into the next one, and less than half of all.
    std::vector<Entry> entries;
    std::size_t head = 0;
    /// Costs of the runs that are not in entries any more.
    std::uint64_t forgotten = 0;
  };
  static const Runs kNone;

  [[nodiscard]] const Runs& runs() const noexcept { return runs_ == nullptr ? kNone : *runs_; }
  [[nodiscard]] Runs& runs() {
    if (runs_ == nullptr) runs_ = std::make_unique<Runs>();
    return *runs_;
  }

  std::unique_ptr<Runs> runs_;
};

}  // namespace flint::algorithm
