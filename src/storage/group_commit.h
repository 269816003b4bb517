#pragma once

#include <atomic>
#include <functional>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "storage/log_writer.h"

/// Makes records durable for many callers at once.
namespace flint::storage {

/// One caller leads: it syncs everything that was appended before it began. Callers that arrive later wait for the end
/// of that sync; then one of them leads the next. A single caller pays only for its own sync, and callers that arrive
/// during a sync share the next one.
///
/// Threads: any, without the owner's mutex.
class GroupCommit {
 public:
  using Done = std::function<void(const Status&)>;

  /// `mutex` is the owner's, which guards `log`.
  GroupCommit(base::Mutex& mutex, LogWriter& log, const Failure& failure)
      : mutex_(mutex), log_(log), failure_(failure) {}

  /// Returns when everything up to `seq` is durable, or with the failure that stopped the store.
  Status wait(Seq seq) FLINT_EXCLUDES(mutex_, turn_mutex_);

  /// Calls `done` now if the result is already known. Otherwise keeps it for serve() and returns true.
  bool when_durable(Seq seq, Done done) FLINT_EXCLUDES(mutex_, waiting_mutex_);
  /// Whether a callback waits for serve().
  [[nodiscard]] bool has_waiting() const noexcept { return waiting_count_.load(std::memory_order_acquire) > 0; }
  /// Syncs once for all waiting callbacks, and calls those whose result is then known.
  void serve();
  /// When it returns, no sync is running and none will start. All waiting callers got their result: success if their
  /// records are durable, else kClosed. Later callers get theirs in the same way.
  void stop() FLINT_EXCLUDES(turn_mutex_);

 private:
  /// Syncs everything appended so far.
  Status lead() FLINT_EXCLUDES(mutex_);
  /// Calls the callbacks whose records are durable and, if `why` is a failure, all others.
  void deliver(const Status& why);

  base::Mutex& mutex_;
  LogWriter& log_;
  const Failure& failure_;

  base::Mutex turn_mutex_;
  base::CondVar turn_ended_;
  bool leading_ FLINT_GUARDED_BY(turn_mutex_) = false;
  std::atomic<bool> stopped_ = false;

  base::Mutex waiting_mutex_;
  std::vector<std::pair<Seq, Done>> waiting_ FLINT_GUARDED_BY(waiting_mutex_);
  std::atomic<std::size_t> waiting_count_ = 0;
};

}  // namespace flint::storage
