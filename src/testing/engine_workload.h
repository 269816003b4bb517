#pragma once

#include <functional>
#include <string>
#include <vector>

#include "testing/reference_limiter.h"

/// A life of a limiter, step by step, on an engine whose disk may fail at any call and on the reference limiter, and
/// what may be found afterwards.
namespace flint::testing {

/// What is on stable storage once a step has returned.
enum class Promise {
  kNothing,
  kItsRecord,  ///< And what is before it: in `always`, and if it has a record.
  kEverything,
};

struct Step {
  std::function<Status(EngineFixture&)> run;
  std::function<void(ReferenceLimiter&)> apply;
  Promise promise = Promise::kNothing;
  /// What it logs before the rest, one record after the other: each may be the last that is there.
  std::vector<std::function<void(ReferenceLimiter&)>> apply_first = {};
  /// Forgets keys at its end, where that can be logged; where not, nothing is said of it.
  bool forgets = false;
  /// Writes denials and more: when the rest fails, they may be in the log all the same.
  bool is_upkeep = false;
  /// Of a compaction: what is done while it runs.
  std::vector<Step> meanwhile = {};
};

/// Configures, checks, denies, resets, ticks, flushes, fills segments and compacts twice, with changes meanwhile. The
/// clock moves within.
[[nodiscard]] std::vector<Step> crash_workload();

class CrashRun {
 public:
  /// Runs `steps` on `engine` (not open yet) until the process dies or the limiter stops. A step that fails without
  /// that must have changed nothing, and is left out of the model. `after_step` sees the run so far.
  CrashRun(EngineFixture& engine, const std::vector<Step>& steps,
           const std::function<void(const CrashRun&)>& after_step = {});

  /// What may be found once the process is gone, oldest first: a kill leaves the newest but one at least, a loss of
  /// power one that is not older than first_after_power_loss().
  [[nodiscard]] const std::vector<ReferenceLimiter>& states() const { return states_; }
  [[nodiscard]] std::size_t first_after_kill() const { return first_after_kill_; }
  [[nodiscard]] std::size_t first_after_power_loss() const { return first_after_power_loss_; }

 private:
  /// False when there is nothing more to run.
  bool perform(EngineFixture& engine, const Step& step);

  ReferenceLimiter model_;
  std::vector<ReferenceLimiter> states_;
  std::size_t first_after_kill_ = 0;
  std::size_t first_after_power_loss_ = 0;
};

/// Opens what `disk` holds and expects one of `states` from `first` on, that it goes on from there as the reference
/// limiter does, and that a second open finds the same.
void expect_recovers(const FaultyDisk& disk, const EngineFixture& crashed, const CrashRun& run, std::size_t first);

}  // namespace flint::testing
