#pragma once

#include "testing/test_store.h"

/// A small life of a store that goes through everything once: records of all sizes, segments that fill up, waits,
/// flushes, ticks, compactions with appends in between, clean closes, a kill, and reopening.
namespace flint::testing {

struct WorkloadOptions {
  storage::StoreOptions store = tiny_options();
  /// After each step, when nothing is in the middle of anything.
  std::function<void(const History&)> after_step = {};
  /// The process is killed after so many steps.
  std::size_t steps = SIZE_MAX;
};

/// What a step said that did not succeed.
struct WorkloadResult {
  History history;
  /// The first failure that the workload met; it goes on after kDiskFull and kIoError, and stops at all others.
  Status first_failure;
  /// The store had failed, or an open did.
  bool stopped = false;
  std::size_t steps = 0;
  /// Where health() was not Ok.
  bool failed = false;
};

[[nodiscard]] WorkloadResult run_workload(const FaultyDisk& disk, const WorkloadOptions& options);

}  // namespace flint::testing
