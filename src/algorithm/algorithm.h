#pragma once

#include <span>
#include <variant>

#include "algorithm/dispatch.h"
#include "algorithm/verdict.h"
#include "algorithm/windows.h"
#include "base/coding.h"
#include "flint/limit.h"

/// The four algorithms as pure functions: (state, limit, cost, now) -> verdict and next state. No clock, no lock, no
/// I/O; exact integers only, so the same events replay to the same bits on every machine.
///
/// Each algorithm has its own file, which also says how its state is written to a record (describe, restore) and to a
/// snapshot (encode, decode); dispatch.h chooses among them, and windows.h makes several windows one state.
///
/// Where a limit may have several windows, an outcome refers to the WindowSpace that was given.
///
/// A `now` before what the state has seen is taken as that time, also as the start of reset_after and retry_after:
/// nothing is granted for time that runs backward.
/// Limits are valid (flint::validate_limit), costs are within 1..capacity, and a state is that of its limit's
/// algorithm: anything else is a bug and stops.
namespace flint::algorithm {

using State = std::variant<TokenBucket, SlidingLog, FixedWindow, SlidingCounter, CalendarWindow, Windows, Slots>;

/// Full quota.
[[nodiscard]] State fresh(const Limit& limit, Time now);

[[nodiscard]] Outcome decide(const State& state, const Limit& limit, Units cost, Now now, WindowSpace& space);
/// The same for a limit with one window.
[[nodiscard]] Outcome decide(const State& state, const Limit& limit, Units cost, Now now);

/// What charging `cost` leads to, also beyond the limit: a debt, during which everything is denied. `cost` is at least
/// 1, and at most most_charged() at this time.
[[nodiscard]] Outcome charged(const State& state, const Limit& limit, Units cost, Now now, WindowSpace& space);
/// As much of `cost` as there is room for: no more than kMaxUnits are ever in use. Where there are several windows it
/// is `cost`, of which each takes what it has room for.
[[nodiscard]] Units most_charged(const State& state, const Limit& limit, Units cost, Time now);

/// Takes `cost`. `allowed` is what decide() said of the same arguments, and it allowed the cost, or what charged() did.
void consume(State& state, const Limit& limit, Units cost, Now now, const Outcome& allowed);

/// What is charged at `now` may not be more than this in any window, or some of it does not count: `in_use` of the
/// window with this index, in whole units rounded up.
[[nodiscard]] Units in_use(const State& state, const Limit& limit, std::size_t window, Time now);
/// At most so much of the window with this index can be given back at `now`, whoever took it: what a bucket has
/// refilled is gone. The highest amount where what is still in use of a charge follows from its time.
[[nodiscard]] Amount most_given_back(const State& state, const Limit& limit, std::size_t window, Time now);
/// What a unit is of the window with this index.
[[nodiscard]] Amount amount_of_unit(const Limit& limit, std::size_t window) noexcept;
/// What giving back at most so much of each window leads to that was charged at `charged_at`; `amounts` is then how
/// much of it was still in use. restore() with a cost of 0 applies it.
[[nodiscard]] Outcome given_back(const State& state, const Limit& limit, std::span<Amount> amounts, Time charged_at,
                                 Now now, WindowSpace& space);
/// Whether all that is in use under `from` goes on under `to`, unit by unit: both have one window of the same kind, and
/// nothing is beyond the new capacity.
[[nodiscard]] bool keeps_units(const State& state, const Limit& from, const Limit& to, Time now);

/// Of several windows, that of the one with the least remaining.
[[nodiscard]] View view(const State& state, const Limit& limit, Now now);
/// The verdicts of several windows, as of a cost of 0; null if there is one.
[[nodiscard]] const WindowOutcomes* view_windows(const State& state, const Limit& limit, Now now, WindowSpace& space);

/// The state under a new limit: what was used stays used, up to the new capacity. The new remaining is the new capacity
/// less what is in use at `now`, never below 0, and the full quota is back no later than the new limit takes from empty
/// to full.
/// - Token bucket to token bucket: in use is what is missing from full, exactly; the part of a token that is refilled
///   is carried over, rounded down to the new period's unit.
/// - Same algorithm, same period (windows): entries and window stay as they are; beyond the new capacity the oldest
///   units are dropped.
/// - Else (another algorithm, or a window of another length): what is in use, in whole units, is one entry at `now`, so
///   that no window of the new length can forget it early.
/// Of several windows, each one begins with the window of the same period before the change; where there was none, with
/// the one in which the most is in use.
[[nodiscard]] State reconfigure(const State& state, const Limit& from, const Limit& to, Time now);

/// How a usage under `to` begins where the same traffic was counted by `from` until now: what is in use, in whole
/// units and up to the new capacity, is one entry at `now`. Windows begin with the same ones as in reconfigure().
[[nodiscard]] State succeed(const State& state, const Limit& from, const Limit& to, Time now);

/// Whether all of the quota is there: the state is then as good as a fresh one.
[[nodiscard]] bool is_fresh(const State& state, const Limit& limit, Now now);

/// Whether `state` is one that `limit` can lead to. What is read from disk must be checked before it is used.
[[nodiscard]] bool is_valid(const State& state, const Limit& limit) noexcept;

/// What a record at `now` holds of `next`, which fresh() returned, or reconfigure() of `before` for the same limits.
/// `now` is not before what the state has seen.
[[nodiscard]] RecordedState describe(const State& next, const Limit& limit, Time now, WindowSpace& space);
[[nodiscard]] RecordedState describe_reconfigured(const State& next, const State& before, const Limit& from,
                                                  const Limit& to, Time now, WindowSpace& space);

/// Makes `state` what a record of an event at `at` says; `cost` is what the event consumed. Live states come about by
/// consume(), fresh() and reconfigure(): this arrives at the very same. False when the record contradicts the limit or
/// the state before it; `state` is then not to be used.
[[nodiscard]] bool restore(State& state, const RecordedState& after, const Limit& limit, Units cost, Time at);

/// A state in a snapshot. Decoding takes any bytes, and returns false for what no state under `limit` is encoded to.
/// The runs of a sliding log are apart (SlidingLog::encode_runs), since there may be many.
void encode(base::Writer& out, const State& state);
[[nodiscard]] bool decode(base::Reader& in, const Limit& limit, State& state);

/// The sliding log of the window with this index; null if it has another algorithm.
[[nodiscard]] SlidingLog* log_of(State& state, std::size_t window) noexcept;
[[nodiscard]] const SlidingLog* log_of(const State& state, std::size_t window) noexcept;

/// `now`, or what the state has seen if that is later.
[[nodiscard]] Time seen(const State& state, Time now) noexcept;

}  // namespace flint::algorithm
