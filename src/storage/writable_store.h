#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "storage/compactor.h"
#include "storage/group_commit.h"
#include "storage/log_writer.h"
#include "storage/recovery.h"
#include "storage/store.h"
#include "storage/store_front.h"
#include "storage/worker.h"

/// The store of a directory that this process owns: combines log, group commit, compaction and background work.
namespace flint::storage {

/// It has three background threads. The committer syncs for callers that do not block, ticks, and seals an idle log.
/// The compactor writes snapshots. The prover advances the manifest, whose syncs must not delay an answer.
///
/// The order of locks, outermost first: close_mutex_, tick_mutex_, the compactor's turn, the manifest's mutex, the
/// commit's turn, the owner's mutex, and inside that only leaf mutexes.
class WritableStore final : public Store {
 public:
  /// `recovery` is settled, and `segment` is the result of settle().
  WritableStore(io::Directory& directory, Owner& state, base::Mutex& mutex, const StoreOptions& options,
                std::shared_ptr<StoreFront> front, std::unique_ptr<io::DirectoryLock> lock, Recovery recovery,
                std::shared_ptr<Segment> segment);
  /// Without close(), leaves what a kill would leave: nothing is flushed or marked.
  ~WritableStore() override;
  WritableStore(const WritableStore&) = delete;
  WritableStore& operator=(const WritableStore&) = delete;

  Status start_background();

  Result<Seq> append(RecordKind kind, std::span<const std::byte> payload) override;
  Status wait(Seq seq) override;
  void when_durable(Seq seq, std::function<void(const Status&)> done) override;
  Seq durable_seq() const noexcept override { return log_.durable_seq(); }
  Seq last_seq() const noexcept override { return log_.last_seq(); }
  UnsyncedAge& unsynced() noexcept override { return log_.unsynced(); }
  Status flush() override;
  Status compact() override;
  Status read_log(const std::function<bool(const Record&)>& visit, const std::function<void()>& forget) const override;
  Status health() const override;
  Stats stats() const override;
  std::vector<Finding> findings() const override;
  Status tick() override;
  Status close() override;

 private:
  struct Ticked {
    Status status;
    Seq last_seq = 0;
  };

  [[nodiscard]] bool refuses() const noexcept { return closed_.load(std::memory_order_relaxed) || failure_.happened(); }
  [[nodiscard]] Status refusal() const;
  Ticked tick_owner();
  /// Serves callers that do not block: by the committer, or right here when there is none.
  void serve_waiting();
  /// If nothing came since the last tick: proves to later opens that everything so far had been durable.
  Status seal_if_quiet(Seq last_seq) FLINT_REQUIRES(tick_mutex_);
  /// Whether the manifest is to say that more of the log is durable: all of an idle log, the first commit of this store
  /// and of each segment, and some every few seconds or megabytes. What it does not say, the next open writes again,
  /// and damage there may look like a record that never became durable.
  [[nodiscard]] bool proof_is_due() const;
  /// Advances the manifest.
  Status prove();
  /// After each append in batch mode, under the mutex.
  void wake_when_batch_is_due(Seq appended);
  [[nodiscard]] bool batch_is_full();
  Nanos committer_turn();
  Status close_log();

  io::Directory& directory_;
  Owner& state_;
  const StoreOptions options_;
  const bool batch_;
  /// Between ticks.
  const Nanos tick_every_;

  const std::shared_ptr<StoreFront> front_;
  base::Mutex& mutex_;
  Failure failure_;
  std::unique_ptr<io::DirectoryLock> lock_;
  LogWriter log_;
  GroupCommit commit_;
  ManifestFile manifest_;
  Compactor compactor_;
  std::atomic<bool> closed_ = false;
  /// The committer is in a long sleep, because there is nothing to make durable. Guarded by the mutex.
  bool idle_ = false;

  base::Mutex tick_mutex_;
  Seq last_tick_seq_ FLINT_GUARDED_BY(tick_mutex_) = 0;
  /// The last record up to which the log can prove its own end.
  std::atomic<Seq> sealed_seq_;
  /// The last record at the open, if the log was closed cleanly: while it is still the last, no mark is needed.
  const Seq opened_seq_;

  /// How many bytes had been appended at the last prove(), and its time.
  std::atomic<std::uint64_t> proved_bytes_ = 0;
  std::atomic<std::chrono::steady_clock::time_point> proved_at_;

  base::Mutex close_mutex_;
  std::optional<Status> closed_with_ FLINT_GUARDED_BY(close_mutex_);

  mutable base::Mutex findings_mutex_;
  std::vector<Finding> findings_ FLINT_GUARDED_BY(findings_mutex_);
  std::optional<Finding> compaction_finding_ FLINT_GUARDED_BY(findings_mutex_);
  std::atomic<bool> degraded_;

  std::chrono::steady_clock::time_point next_tick_;  // the committer's own
  bool has_background_ = false;
  Worker committer_;
  Worker compacting_;
  Worker proving_;
};

}  // namespace flint::storage
