#pragma once

#include <memory>
#include <vector>

#include "io/fork_guard.h"
#include "storage/store.h"

namespace flint::storage {

/// Any store, safe to be inherited by a forked child: there every call is refused with kClosed, and the destructor
/// leaves the inner store alone, whose threads do not exist in the child and whose mutexes may be locked for ever.
class ForkGuardedStore final : public Store {
 public:
  explicit ForkGuardedStore(std::unique_ptr<Store> inner) : inner_(std::move(inner)) {}
  ~ForkGuardedStore() override;
  ForkGuardedStore(const ForkGuardedStore&) = delete;
  ForkGuardedStore& operator=(const ForkGuardedStore&) = delete;

  base::Mutex& mutex() override { return inner_->mutex(); }
  Result<Seq> append(RecordKind kind, std::span<const std::byte> payload) override;
  Status wait(Seq seq) override;
  void when_durable(Seq seq, std::function<void(const Status&)> done) override;
  Seq durable_seq() const noexcept override { return inner_->durable_seq(); }
  Seq last_seq() const noexcept override { return inner_->last_seq(); }
  UnsyncedAge& unsynced() noexcept override { return inner_->unsynced(); }
  Status flush() override;
  Status compact() override;
  Status read_log(const std::function<bool(const Record&)>& visit, const std::function<void()>& forget) const override;
  Status health() const override;
  StoreStats stats() const override;
  std::vector<Finding> findings() const override;
  Status tick() override;
  Status close() override;

 private:
  [[nodiscard]] bool is_childs() const noexcept { return io::fork_generation() != generation_; }

  std::unique_ptr<Store> inner_;
  const std::uint64_t generation_ = io::fork_generation();
};

}  // namespace flint::storage
