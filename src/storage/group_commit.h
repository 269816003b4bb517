#pragma once

#include <atomic>
#include <functional>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "storage/log_writer.h"

/// Makes records durable for many callers at once.
namespace flint::storage {

/// One caller leads: it syncs for everything that was appended when it began, and those who came too late for that
/// wait for its end, when one of them leads the next sync. A single caller pays for its sync and nothing else; callers
/// that arrive while a sync runs share the next one.
///
/// Threads: any, without the owner's mutex.
class GroupCommit {
 public:
  using Done = std::function<void(const Status&)>;

  /// `mutex` is the owner's, which guards `log`.
  GroupCommit(base::Mutex& mutex, LogWriter& log, const Failure& failure)
      : mutex_(mutex), log_(log), failure_(failure) {}

  /// Returns when everything up to `seq` is durable, or why the store stopped.
  Status wait(Seq seq) FLINT_EXCLUDES(mutex_, turn_mutex_);

  /// Calls `done` now if that is settled already, else remembers it for serve() and returns true.
  bool when_durable(Seq seq, Done done) FLINT_EXCLUDES(mutex_, waiting_mutex_);
  /// Somebody waits for serve().
  [[nodiscard]] bool has_waiting() const noexcept { return waiting_count_.load(std::memory_order_acquire) > 0; }
  /// Syncs once for those who wait, and tells the ones that it settled.
  void serve();
  /// No sync runs or begins any more when it returns, and everybody who waited was told: success if theirs is durable,
  /// else kClosed. So are those who come later.
  void stop() FLINT_EXCLUDES(turn_mutex_);

 private:
  /// Syncs for everything that is appended by now.
  Status lead() FLINT_EXCLUDES(mutex_);
  /// Tells those whose records are durable, and if `why` is a failure, the rest.
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
