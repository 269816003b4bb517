#pragma once

#include <functional>
#include <string>
#include <vector>

#include "limiter/reference_limiter.h"

/// A life of a limiter, step by step, on an engine whose disk may fail at any call and on the reference limiter, and
/// what may be found afterwards.
namespace flint::limiter::testing {

struct Step {
  std::function<Status(EngineFixture&)> run;
  std::function<void(ReferenceLimiter&)> apply;
  /// What it did is on stable storage when it returns: in `always`, and in `batch`.
  bool durable_in_always = false;
  bool durable_in_batch = false;
  /// Writes denials and more: when the rest fails, they may be in the log all the same.
  bool is_upkeep = false;
};

/// Configures, checks, denies, resets, ticks, flushes, fills segments and compacts twice. The clock moves within.
[[nodiscard]] std::vector<Step> crash_workload();

class CrashRun {
 public:
  /// Runs `steps` on `engine` (not open yet) until the process dies or the limiter stops. A step that fails without
  /// that must have changed nothing, and is left out of the model.
  CrashRun(EngineFixture& engine, const std::vector<Step>& steps);

  /// What may be found once the process is gone, oldest first: a kill leaves the newest but one at least, a loss of
  /// power one that is not older than first_after_power_loss().
  [[nodiscard]] const std::vector<ReferenceLimiter>& states() const { return states_; }
  [[nodiscard]] std::size_t first_after_kill() const { return first_after_kill_; }
  [[nodiscard]] std::size_t first_after_power_loss() const { return first_after_power_loss_; }

 private:
  std::vector<ReferenceLimiter> states_;
  std::size_t first_after_kill_ = 0;
  std::size_t first_after_power_loss_ = 0;
};

/// Opens what `disk` holds and expects one of `states` from `first` on, that it goes on from there as the reference
/// limiter does, and that a second open finds the same.
void expect_recovers(const io::FaultyDisk& disk, const EngineFixture& crashed, const CrashRun& run, std::size_t first);

}  // namespace flint::limiter::testing
