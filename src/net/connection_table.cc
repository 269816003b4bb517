#include "net/connection_table.h"

#include <algorithm>
#include <utility>

#include "net/stream.h"

namespace flint::net {

void Visitor::give_way() {
  asio::post(*context, [self = shared_from_this()] {
    if (const std::shared_ptr<Stream> there = self->connection.lock()) there->give_way();
  });
}

/// The order of the questions is the policy. One client with many connections gives up its own oldest one first, before
/// anyone else loses a place to it, and also while places are free: otherwise it could fill all places while nobody
/// else is there, and the next client would have to wait for its turn among those that give way. When all places are
/// taken by proven connections, nothing is closed for a stranger: it gets an answer (503, or a probe's), which is why
/// some places beyond the limit are kept.
ConnectionTable::Entered ConnectionTable::enter(const std::shared_ptr<Visitor>& visitor) {
  base::MutexLock lock(mutex_);
  Pool& pool = pool_of(*visitor);
  // Each newcomer sends at most one away. A flood that is faster than the loops close them waits in the kernel.
  if (pool.giving_way >= spare_) return {.entry = Entry::kRefused, .gives_way = nullptr};

  Entered entered;
  const bool full = pool.places_taken >= places_;
  const auto of_client = visitor->client ? unproven_by_client_.find(*visitor->client) : unproven_by_client_.end();
  if (of_client != unproven_by_client_.end() && of_client->second.size() >= std::max<std::size_t>(places_ / 2, 1)) {
    entered.gives_way = make_give_way(of_client->second.front());
  } else if (full && !pool.unproven.empty()) {
    entered.gives_way = make_give_way(pool.unproven.front());
  } else if (full) {
    entered.entry = Entry::kForProbes;
    if (pool.for_probes.size() >= spare_) entered.gives_way = make_give_way(pool.for_probes.front());
  }

  ++count_;
  visitor->takes_place_ = entered.entry == Entry::kServed;
  if (!visitor->takes_place_) {
    visitor->state_ = Visitor::State::kForProbes;
    visitor->place_ = pool.for_probes.insert(pool.for_probes.end(), visitor);
    return entered;
  }
  ++pool.places_taken;
  list_unproven(visitor);
  return entered;
}

void ConnectionTable::list_unproven(const std::shared_ptr<Visitor>& visitor) {
  List& all = pool_of(*visitor).unproven;
  visitor->state_ = Visitor::State::kUnproven;
  visitor->place_ = all.insert(all.end(), visitor);
  if (!visitor->client) return;
  List& of_client = unproven_by_client_[*visitor->client];
  visitor->place_of_client_ = of_client.insert(of_client.end(), visitor);
}

std::shared_ptr<Visitor> ConnectionTable::make_give_way(const std::shared_ptr<Visitor>& visitor) {
  // A copy: the lists that hold it are about to forget it.
  std::shared_ptr<Visitor> kept = visitor;
  forget(*kept);
  kept->state_ = Visitor::State::kGivesWay;
  Pool& pool = pool_of(*kept);
  ++pool.giving_way;
  if (std::exchange(kept->takes_place_, false)) --pool.places_taken;
  return kept;
}

void ConnectionTable::forget(Visitor& visitor) {
  Pool& pool = pool_of(visitor);
  if (visitor.state_ == Visitor::State::kForProbes) pool.for_probes.erase(visitor.place_);
  if (visitor.state_ != Visitor::State::kUnproven) return;
  pool.unproven.erase(visitor.place_);
  if (!visitor.client) return;
  const auto of_client = unproven_by_client_.find(*visitor.client);
  of_client->second.erase(visitor.place_of_client_);
  if (of_client->second.empty()) unproven_by_client_.erase(of_client);
}

void ConnectionTable::prove(Visitor& visitor) {
  base::MutexLock lock(mutex_);
  if (visitor.state_ != Visitor::State::kUnproven) return;
  forget(visitor);
  visitor.state_ = Visitor::State::kProven;
}

void ConnectionTable::doubt(Visitor& visitor) {
  base::MutexLock lock(mutex_);
  if (visitor.state_ == Visitor::State::kProven) list_unproven(visitor.shared_from_this());
}

void ConnectionTable::stay(Visitor& visitor) {
  base::MutexLock lock(mutex_);
  if (visitor.state_ != Visitor::State::kGivesWay) return;
  Pool& pool = pool_of(visitor);
  --pool.giving_way;
  // Its place may be another's by now, so that there is one more than there should be, until one of them leaves.
  visitor.takes_place_ = true;
  ++pool.places_taken;
  visitor.state_ = Visitor::State::kProven;
}

void ConnectionTable::leave(Visitor& visitor) {
  base::MutexLock lock(mutex_);
  Pool& pool = pool_of(visitor);
  if (visitor.state_ == Visitor::State::kGivesWay) --pool.giving_way;
  forget(visitor);
  visitor.state_ = Visitor::State::kGone;
  if (visitor.takes_place_) --pool.places_taken;
  --count_;
  fewer_.notify_all();
}

std::size_t ConnectionTable::count() {
  base::MutexLock lock(mutex_);
  return count_;
}

bool ConnectionTable::wait_for(std::size_t most, std::chrono::milliseconds timeout) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point deadline = Clock::now() + timeout;
  base::MutexLock lock(mutex_);
  while (count_ > most) {
    const Clock::time_point now = Clock::now();
    if (now >= deadline) return false;
    fewer_.wait_for(mutex_, deadline - now);
  }
  return true;
}

}  // namespace flint::net
