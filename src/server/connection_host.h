#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "http/traffic.h"
#include "net/asio.h"
#include "net/connection_table.h"
#include "net/event_log.h"
#include "net/storage_gate.h"
#include "server/server_core.h"

namespace flint::server {

class Connection;

/// What one I/O loop has for its connections: the clocks, the token, the counters, and the two queues of those that
/// wait, for a commit and for a place in the storage gate. It never looks into a connection: whose turn has come is
/// called by the loop, so that connections need to know no loop. Threads: the loop's, except for what says otherwise.
class ConnectionHost {
 public:
  using Connections = std::vector<std::shared_ptr<Connection>>;

  /// What the loop does for those that wait. Both are called by way of the context, on its thread.
  struct Calls {
    /// Connections wait for a commit: ask for awaited_seq(), and take_awaiting_commit() when that is durable. Not
    /// called again before it took them.
    std::function<void()> commit_is_awaited;
    /// There may be room in the storage gate for who is stalled.
    std::function<void()> gate_has_room;
  };

  /// The references outlive it.
  ConnectionHost(ServerCore& core, std::string token, net::EventLog& log, Calls calls);
  ConnectionHost(const ConnectionHost&) = delete;
  ConnectionHost& operator=(const ConnectionHost&) = delete;

  // For connections.

  [[nodiscard]] ServerCore& core() { return core_; }
  /// Threads: any.
  [[nodiscard]] net::IoContext& context() { return context_; }
  /// Refreshed by the loop's tick: behind by at most its period.
  [[nodiscard]] net::SteadyClock::time_point now() const { return now_; }
  [[nodiscard]] const std::string& date() const { return date_; }
  [[nodiscard]] bool is_draining() const { return draining_; }
  /// What a request carries where the rules ask for a token. A copy of its own, so that reading it costs nothing.
  [[nodiscard]] const std::string& token() const { return token_; }
  [[nodiscard]] http::Traffic& traffic() { return traffic_; }
  void note_full_disk() { disk_full_.happened(); }
  /// Logs `what` with the peer of `socket`, which did it.
  void audit(std::string_view what, int socket);
  void remove(const std::shared_ptr<Connection>& connection, net::Visitor& visitor);
  /// Has Connection::on_commit called once the log may be durable up to `seq`.
  void await_commit(std::shared_ptr<Connection> connection, std::uint64_t seq);
  /// Whether `connection` may begin a request that waits on storage; if not, Connection::resume is called later.
  bool enter_gate(const std::shared_ptr<Connection>& connection);

  // For the loop.

  /// A connection that add() or forget() follows. Threads: any.
  void expect() { load_.fetch_add(1, std::memory_order_relaxed); }
  void add(std::shared_ptr<Connection> connection) { connections_.insert(std::move(connection)); }
  /// What was expected does not come, or has gone.
  void forget(net::Visitor& visitor);
  /// Connections that are open or about to be. Threads: any.
  [[nodiscard]] std::size_t load() const { return load_.load(std::memory_order_relaxed); }
  /// A copy: what is done to a connection may remove it.
  [[nodiscard]] Connections connections() const { return {connections_.begin(), connections_.end()}; }
  [[nodiscard]] bool is_empty() const { return connections_.empty(); }

  void set_token(std::string token) { token_ = std::move(token); }
  void begin_drain() { draining_ = true; }
  void read_clocks();

  [[nodiscard]] std::uint64_t awaited_seq() const { return awaited_seq_; }
  [[nodiscard]] Connections take_awaiting_commit();
  [[nodiscard]] std::deque<std::shared_ptr<Connection>> take_stalled();
  [[nodiscard]] bool has_stalled() const { return !stalled_.empty(); }
  /// They go before those that have come since take_stalled().
  void put_back_stalled(std::deque<std::shared_ptr<Connection>> stalled);

 private:
  ServerCore& core_;
  std::string token_;
  http::Traffic& traffic_;
  net::EventLog& log_;
  net::RepeatedWarning disk_full_;
  const Calls calls_;
  net::IoContext context_{1};
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  std::atomic<std::size_t> load_ = 0;

  Connections awaiting_commit_;
  std::uint64_t awaited_seq_ = 0;
  bool commit_is_awaited_ = false;

  std::deque<std::shared_ptr<Connection>> stalled_;
  net::StorageGate::Waiter gate_waiter_;

  net::SteadyClock::time_point now_;
  std::string date_;
  bool draining_ = false;
};

}  // namespace flint::server
