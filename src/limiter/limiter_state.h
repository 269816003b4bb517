#pragma once

#include <algorithm>
#include <functional>
#include <string>

#include "base/mutex.h"
#include "limiter/keys.h"
#include "limiter/persisted_time.h"
#include "limiter/snapshot_codec.h"
#include "storage/store.h"

namespace flint::limiter {

/// The limiter's state as its store sees it: rebuilt by replay, written to snapshots piece by piece. Decides nothing.
///
/// Threads: recovery on one thread; afterwards everything is guarded by the mutex that it is given.
class LimiterState final : public storage::Owner {
 public:
  /// `tick` is what on_tick() does; it and `mutex` outlive this object.
  LimiterState(base::Mutex& mutex, std::function<Status()> tick) : mutex_(mutex), tick_(std::move(tick)) {}

  /// After recovery, with the mutex held. Where a repair dropped records that are newer than the snapshot's
  /// position, its entries are the latest there is.
  void catch_up_time() noexcept { time.last = std::max(time.last, newest_loaded_); }

  Limits limits;
  Keys keys;
  PersistedTime time;

  void clear() override;
  Status load(std::span<const std::byte> entry, storage::Seq max_seq) override;
  Status replay(const storage::Record& record) override;
  void begin_snapshot() override;
  bool next_entries(const std::function<void(std::span<const std::byte>)>& emit) override;
  Status on_tick() override { return tick_(); }

 private:
  /// Null when the snapshot has all keys. Ids have gaps: a key that could not be logged has given its id back.
  const KeyEntry* next_key();
  /// The key, or more of the copy of its runs. True when it is done with, but for the runs that were copied.
  bool add_key(const KeyEntry& entry, EntryBuffer& piece);
  Status replay_configured(const LogEvent& event, storage::Seq seq);
  Status replay_item(const LogEvent& event, const KeyEvent& item, storage::Seq seq);

  base::Mutex& mutex_;
  std::function<Status()> tick_;
  LogEvent event_;
  Time newest_loaded_{};

  struct SnapshotCursor {
    PersistedTime time;
    KeyId next = 0;
    KeyId end = 0;
    bool started = false;
    /// Of the next key: what is copied so far of a log of many runs.
    algorithm::SlidingLog copied;
  } cursor_;
};

}  // namespace flint::limiter
