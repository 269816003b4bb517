#pragma once

#include <memory>
#include <vector>

#include "storage/recovery.h"
#include "storage/store.h"

namespace flint::storage {

/// The contents of a directory at the time of the open. It writes and creates nothing, and works on read-only storage.
/// Since it syncs nothing either, records that it recovered after an unclean stop may not survive a crash of the
/// machine before the next open for writing.
class ReadOnlyStore final : public Store {
 public:
  /// `lock` keeps writers out; null if there was no lock file, and therefore never a writer.
  ReadOnlyStore(io::Directory& directory, std::unique_ptr<io::DirectoryLock> lock, Recovery recovery);

  Result<Seq> append(RecordKind kind, std::span<const std::byte> payload) override;
  Status wait(Seq seq) override;
  void when_durable(Seq seq, std::function<void(const Status&)> done) override;
  Seq durable_seq() const noexcept override { return recovery_.last_seq; }
  Seq last_seq() const noexcept override { return recovery_.last_seq; }
  UnsyncedAge& unsynced() noexcept override { return unsynced_; }
  Status flush() override { return health(); }
  Status compact() override;
  Status read_log(const std::function<bool(const Record&)>& visit, const std::function<void()>& forget) const override;
  Status health() const override;
  Stats stats() const override;
  std::vector<Finding> findings() const override { return recovery_.findings; }
  Status tick() override { return health(); }
  Status close() override;

 private:
  [[nodiscard]] Status refusal() const;

  io::Directory& directory_;
  const Recovery recovery_;
  const std::atomic<Seq> durable_seq_;
  /// Nothing is ever appended.
  UnsyncedAge unsynced_;
  mutable base::Mutex lock_mutex_;
  std::unique_ptr<io::DirectoryLock> lock_ FLINT_GUARDED_BY(lock_mutex_);
  bool closed_ FLINT_GUARDED_BY(lock_mutex_) = false;
};

}  // namespace flint::storage
