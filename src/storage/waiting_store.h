#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "storage/start_writing.h"
#include "storage/worker.h"

namespace flint::storage {

/// The store of a directory that this process owns, on a disk that had no room for a log segment at the open. The
/// recovered state can be read, and every operation that needs the log fails with kDiskFull. The store checks for room
/// when such an operation is called, and once a second by itself. When there is room, it settles, and forwards all
/// calls to the WritableStore that it creates.
///
/// Records that nothing proves durable may exist only in the page cache. So durable_seq() does not include them, and
/// wait() does not confirm them, until settle() has written them again.
///
/// The order of locks: close_mutex_, the owner's mutex, settling_mutex_, and inside that the locks of start_writing().
class WaitingStore final : public Store {
 public:
  /// `no_room` is the failure of start_writing() for `recovered`.
  WaitingStore(Recovered recovered, Status no_room);
  ~WaitingStore() override;
  WaitingStore(const WaitingStore&) = delete;
  WaitingStore& operator=(const WaitingStore&) = delete;

  /// Opens the newest segment, writes the holder into the lock file and, with background threads, starts to check for
  /// room.
  Status start();

  Result<Seq> append(RecordKind kind, std::span<const std::byte> payload) override;
  Status wait(Seq seq) override;
  void when_durable(Seq seq, std::function<void(const Status&)> done) override;
  Seq durable_seq() const noexcept override { return front_->durable_seq.load(std::memory_order_acquire); }
  Seq last_seq() const noexcept override;
  UnsyncedAge& unsynced() noexcept override { return front_->unsynced; }
  Status flush() override;
  Status compact() override;
  Status read_log(const std::function<bool(const Record&)>& visit, const std::function<void()>& forget) const override;
  Status health() const override;
  Stats stats() const override;
  std::vector<Finding> findings() const override;
  Status tick() override;
  Status close() override;

 private:
  /// kInTurn: callers that come often share their checks for room, so that these take little time in total.
  enum class When : std::uint8_t { kInTurn, kNow };

  /// The store that replaces this one, or null.
  [[nodiscard]] WritableStore* settled() const noexcept { return settled_.load(std::memory_order_acquire); }
  /// settled(), after an attempt to settle; otherwise the failure of that attempt.
  Result<WritableStore*> writer(When when) FLINT_EXCLUDES(settling_mutex_);
  [[nodiscard]] Status refusal() const;
  Status try_to_settle() FLINT_REQUIRES(settling_mutex_);
  Status close_unsettled();

  const std::shared_ptr<StoreFront> front_;
  io::Directory& directory_;
  Owner& state_;
  base::Mutex& mutex_;
  const std::chrono::nanoseconds look_every_;
  const bool has_background_;
  // What readers need: as it was at the open, until the store has settled.
  const Seq last_seq_;
  const Seq proven_seq_;
  const std::vector<SegmentInfo> segments_;
  const Stats stats_;
  const std::vector<Finding> findings_;

  Failure failure_;
  std::atomic<bool> closed_ = false;

  mutable base::Mutex settling_mutex_;
  Recovered recovered_ FLINT_GUARDED_BY(settling_mutex_);
  /// Kept open, so that its loss is detected before anything depends on it.
  std::shared_ptr<Segment> newest_ FLINT_GUARDED_BY(settling_mutex_);
  /// The failure of the last attempt.
  Status no_room_ FLINT_GUARDED_BY(settling_mutex_);
  std::chrono::steady_clock::time_point next_look_ FLINT_GUARDED_BY(settling_mutex_);
  std::unique_ptr<WritableStore> store_ FLINT_GUARDED_BY(settling_mutex_);
  std::atomic<WritableStore*> settled_ = nullptr;

  base::Mutex close_mutex_;
  std::optional<Status> closed_with_ FLINT_GUARDED_BY(close_mutex_);

  Worker looking_;
};

}  // namespace flint::storage
