#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>

#include "base/ip_address.h"
#include "base/mutex.h"
#include "net/asio.h"

namespace flint::net {

class Stream;

/// One open connection, as the table of all of them sees it.
class Visitor : public std::enable_shared_from_this<Visitor> {
 public:
  /// Came in by the socket in the data directory, which only the directory's owner can open.
  bool is_owner = false;
  /// Nothing for a Unix socket.
  std::optional<base::IpAddress> client;
  /// Where the connection lives.
  IoContext* context = nullptr;
  /// Set and read on the context's thread.
  std::weak_ptr<Stream> connection;

  /// Has the connection closed, unless it is proven by then. Threads: any.
  void give_way();

 private:
  friend class ConnectionTable;
  enum class State : std::uint8_t { kUnproven, kForProbes, kProven, kGivesWay, kGone };
  State state_ = State::kGone;
  /// Takes one of the places, rather than one for probes.
  bool takes_place_ = false;
  std::list<std::shared_ptr<Visitor>>::iterator place_;
  std::list<std::shared_ptr<Visitor>>::iterator place_of_client_;
};

/// Which connections are open, and which of them give way to others.
///
/// Strangers must not be able to keep those out who may ask. A connection is *proven* once a request on it has passed
/// the access rules; until then it is one of those that anybody can open. When all places are taken, the oldest one
/// that is not proven gives its place to whoever comes; one client (IpAddress::client) has at most half of the places
/// for connections that are not proven. When all are proven, a few more are let in, for probes only. The owner's socket
/// has as many places for itself.
///
/// Threads: enter() from one; the others from any.
class ConnectionTable {
 public:
  static constexpr std::size_t kSpare = 64;

  /// `places` for the owner's socket, and as many for everybody else. `spare` more of each for probes when all places
  /// are taken, and for those on their way out.
  explicit ConnectionTable(std::size_t places, std::size_t spare = kSpare) : places_(places), spare_(spare) {}

  enum class Entry : std::uint8_t {
    kServed,
    /// To be answered 503, unless it asks whether the server lives.
    kForProbes,
    /// Too many are on their way out.
    kRefused,
  };
  struct Entered {
    Entry entry = Entry::kServed;
    /// Is to be closed, unless it is proven by then: leave() or stay() follows.
    std::shared_ptr<Visitor> gives_way;
  };
  Entered enter(const std::shared_ptr<Visitor>& visitor);
  /// It does not give way from now on.
  void prove(Visitor& visitor);
  /// It may give way again, like a new one.
  void doubt(Visitor& visitor);
  void stay(Visitor& visitor);
  void leave(Visitor& visitor);

  [[nodiscard]] std::size_t count();
  /// Whether at most `most` were left before `timeout` had passed.
  bool wait_for(std::size_t most, std::chrono::milliseconds timeout);

 private:
  using List = std::list<std::shared_ptr<Visitor>>;
  struct Pool {
    std::size_t places_taken = 0;
    std::size_t giving_way = 0;
    /// The oldest first.
    List unproven;
    List for_probes;
  };

  Pool& pool_of(const Visitor& visitor) FLINT_REQUIRES(mutex_) { return visitor.is_owner ? owner_ : others_; }
  void list_unproven(const std::shared_ptr<Visitor>& visitor) FLINT_REQUIRES(mutex_);
  std::shared_ptr<Visitor> make_give_way(const std::shared_ptr<Visitor>& visitor) FLINT_REQUIRES(mutex_);
  void forget(Visitor& visitor) FLINT_REQUIRES(mutex_);

  const std::size_t places_;
  const std::size_t spare_;
  base::Mutex mutex_;
  base::CondVar fewer_;
  std::size_t count_ FLINT_GUARDED_BY(mutex_) = 0;
  Pool owner_ FLINT_GUARDED_BY(mutex_);
  Pool others_ FLINT_GUARDED_BY(mutex_);
  std::map<base::IpAddress, List> unproven_by_client_ FLINT_GUARDED_BY(mutex_);
};

}  // namespace flint::net
