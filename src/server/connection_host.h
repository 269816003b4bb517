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
    /// Answers wait for a commit: ask for awaited(), and take_told() when that is durable or never will be. Not called
    /// again before that.
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
  /// Logs `what` with who did it.
  void audit(std::string_view what, std::string_view client);
  void remove(const std::shared_ptr<Connection>& connection, net::Visitor& visitor);
  /// An answer and where it goes.
  struct Answer {
    std::shared_ptr<Connection> connection;
    std::uint64_t place = 0;
    api::Response response;
  };
  /// Has Connection::tell called with the answer once the log is durable up to `ticket`, or with what says that it
  /// never will be. The request has its place in the storage gate until then.
  void tell_when_durable(Ticket ticket, Answer answer);
  /// Whether a request that waits on storage may begin. If not, resume_later() follows.
  [[nodiscard]] bool enter_gate() { return core_.gate.enter(gate_waiter_); }
  /// Has Connection::resume called when there may be room in the gate.
  void resume_later(std::shared_ptr<Connection> connection) { stalled_.push_back(std::move(connection)); }

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

  [[nodiscard]] Ticket awaited() const { return awaited_; }
  /// The answers that may be told now: all, each as a failure, unless `status` is OK.
  [[nodiscard]] std::vector<Answer> take_told(const Status& status);
  [[nodiscard]] std::deque<std::shared_ptr<Connection>> take_stalled();
  [[nodiscard]] bool has_stalled() const { return !stalled_.empty(); }
  /// They go before those that have come since take_stalled().
  void put_back_stalled(std::deque<std::shared_ptr<Connection>> stalled);

 private:
  void await_commit();

  ServerCore& core_;
  std::string token_;
  http::Traffic& traffic_;
  net::EventLog& log_;
  net::RepeatedWarning disk_full_;
  const Calls calls_;
  net::IoContext context_{1};
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  std::atomic<std::size_t> load_ = 0;

  struct Untold {
    Ticket ticket;
    Answer answer;
  };
  /// In the order in which they are told. A ticket may be older than the one before: of a change that was made before.
  std::vector<Untold> untold_;
  /// The newest of them.
  Ticket awaited_;
  bool commit_is_awaited_ = false;

  std::deque<std::shared_ptr<Connection>> stalled_;
  net::StorageGate::Waiter gate_waiter_;

  net::SteadyClock::time_point now_;
  std::string date_;
  bool draining_ = false;
};

}  // namespace flint::server
