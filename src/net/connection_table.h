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

/// One open connection, as the table sees it.
class Visitor : public std::enable_shared_from_this<Visitor> {
 public:
  /// It was accepted at the socket in the data directory, which only the directory's owner can open.
  bool is_owner = false;
  /// The address of the client; nothing for a Unix socket.
  std::optional<base::IpAddress> client;
  /// The context of the loop that the connection lives on.
  IoContext* context = nullptr;
  /// Set and read on the context's thread.
  std::weak_ptr<Stream> connection;

  /// Closes the connection, unless it is proven by then. Threads: any.
  void give_way();

 private:
  friend class ConnectionTable;
  enum class State : std::uint8_t { kUnproven, kForProbes, kProven, kGivesWay, kGone };
  State state_ = State::kGone;
  /// It takes one of the places, and not one for probes.
  bool takes_place_ = false;
  std::list<std::shared_ptr<Visitor>>::iterator place_;
  std::list<std::shared_ptr<Visitor>>::iterator place_of_client_;
};

/// The open connections, and which of them give way to others.
///
/// Strangers must not be able to keep authorized clients out. A connection is *proven* once a request on it has passed
/// the access rules; until then anyone could have opened it. When all places are taken, the oldest connection that is
/// not proven gives its place to a new one. One client (IpAddress::client) has at most half of the places for
/// connections that are not proven. When all are proven, a few more are accepted, only for probes. The owner's socket
/// has the same number of places for itself.
///
/// Threads: enter() from one; the others from any.
class ConnectionTable {
 public:
  static constexpr std::size_t kSpare = 64;

  /// `places` for the owner's socket, and as many for all others; and `spare` more of each for probes when all places
  /// are taken, and for connections that are giving way.
  explicit ConnectionTable(std::size_t places, std::size_t spare = kSpare) : places_(places), spare_(spare) {}

  enum class Entry : std::uint8_t {
    kServed,
    /// Its requests are answered 503, except for probes.
    kForProbes,
    /// Too many connections are giving way.
    kRefused,
  };
  struct Entered {
    Entry entry = Entry::kServed;
    /// The connection to close, unless it is proven by then. leave() or stay() follows.
    std::shared_ptr<Visitor> gives_way;
  };
  Entered enter(const std::shared_ptr<Visitor>& visitor);
  /// The connection no longer gives way.
  void prove(Visitor& visitor);
  /// The connection may give way again, like a new one.
  void doubt(Visitor& visitor);
  void stay(Visitor& visitor);
  void leave(Visitor& visitor);

  [[nodiscard]] std::size_t count();
  /// Waits up to `timeout`. Returns whether at most `most` connections are left.
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
