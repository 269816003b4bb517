#pragma once

#include "algorithm/algorithm.h"
#include "limiter/event_codec.h"

/// Between a key's state and what a log record says of it. Engine and replay go through the same door, so that what is
/// logged is what is replayed.
namespace flint::limiter {

/// What a record says of `state` at `now`. For a sliding log, that its runs were replaced.
[[nodiscard]] StateAfter describe_state(const algorithm::State& state, const Limit& limit, Time now);

/// What a record says of `state` once `cost` is consumed at `now`; `next` becomes that state, except for a sliding log,
/// which is not copied: consume from it once the record is in the log.
[[nodiscard]] StateAfter describe_consumed(const algorithm::State& state, const Limit& limit, Units cost, Time now,
                                           algorithm::State& next);

/// Makes `state` what the record of an event at `at` says; `cost` is what the event consumed. False when the record
/// contradicts the limit or the state before it.
[[nodiscard]] bool restore_state(const StateAfter& after, const Limit& limit, Units cost, Time at,
                                 algorithm::State& state);

/// Whether algorithm::reconfigure leaves the runs of a sliding log as they are.
[[nodiscard]] bool keeps_runs(const Limit& from, const Limit& to) noexcept;

}  // namespace flint::limiter
