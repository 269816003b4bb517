#include "storage/fork_guarded_store.h"

namespace flint::storage {
namespace {

Status belongs_to_parent() {
  return {Code::kClosed, "this store belongs to the parent of this process: open the directory anew"};
}

}  // namespace

ForkGuardedStore::~ForkGuardedStore() {
  if (is_childs()) static_cast<void>(inner_.release());
}

Result<Seq> ForkGuardedStore::append(RecordKind kind, std::span<const std::byte> payload) {
  if (is_childs()) [[unlikely]]
    return belongs_to_parent();
  return inner_->append(kind, payload);
}

Status ForkGuardedStore::wait(Seq seq) { return is_childs() ? belongs_to_parent() : inner_->wait(seq); }

void ForkGuardedStore::when_durable(Seq seq, std::function<void(const Status&)> done) {
  if (is_childs()) return done(belongs_to_parent());
  inner_->when_durable(seq, std::move(done));
}

Status ForkGuardedStore::flush() { return is_childs() ? belongs_to_parent() : inner_->flush(); }

Status ForkGuardedStore::compact() { return is_childs() ? belongs_to_parent() : inner_->compact(); }

Status ForkGuardedStore::read_log(const std::function<bool(const Record&)>& visit,
                                  const std::function<void()>& forget) const {
  return is_childs() ? belongs_to_parent() : inner_->read_log(visit, forget);
}

Status ForkGuardedStore::health() const { return is_childs() ? belongs_to_parent() : inner_->health(); }

StoreStats ForkGuardedStore::stats() const { return is_childs() ? StoreStats() : inner_->stats(); }

std::vector<Finding> ForkGuardedStore::findings() const {
  return is_childs() ? std::vector<Finding>() : inner_->findings();
}

Status ForkGuardedStore::tick() { return is_childs() ? belongs_to_parent() : inner_->tick(); }

Status ForkGuardedStore::close() { return is_childs() ? belongs_to_parent() : inner_->close(); }

}  // namespace flint::storage
