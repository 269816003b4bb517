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
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "base/mutex.h"
#include "http/traffic.h"
#include "net/asio.h"
#include "net/connection_table.h"
#include "net/event_log.h"
#include "net/storage_gate.h"
#include "server/server_core.h"

namespace flint::server {

class Connection;

/// Where other threads reach a loop, also after it is gone: what comes too late finds nobody at home. Threads: any.
class Mailbox {
 public:
  explicit Mailbox(net::IoContext& context) : context_(&context) {}

  template <typename Work>
  void post(Work work) {
    base::MutexLock lock(mutex_);
    if (context_ != nullptr) net::asio::post(*context_, std::move(work));
  }
  void close() {
    base::MutexLock lock(mutex_);
    context_ = nullptr;
  }

 private:
  base::Mutex mutex_;
  net::IoContext* context_ FLINT_GUARDED_BY(mutex_);
};

/// What one I/O loop has for its connections: the clocks, the token, the counters, the loop's queue to the backend, and
/// those that wait for a place in the storage gate. It never looks into a connection: whose turn has come is called by
/// the loop, so that connections need to know no loop. Threads: the loop's, except for what says otherwise.
class ConnectionHost {
 public:
  using Connections = std::vector<std::shared_ptr<Connection>>;

  /// What the loop does for those that wait. Both are called by way of the context, on its thread.
  struct Calls {
    /// The queue has answers: have them delivered, and take_answered() then.
    std::function<void()> answers_have_come;
    /// There may be room in the storage gate for who is stalled.
    std::function<void()> gate_has_room;
  };

  /// The references outlive it.
  ConnectionHost(ServerCore& core, std::string token, net::EventLog& log, Calls calls);
  ~ConnectionHost() { mailbox_->close(); }
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
  [[nodiscard]] backend::Queue& queue() { return *queue_; }
  /// Has Connection::after_telling called once all answers that the queue has are delivered.
  void was_answered(std::shared_ptr<Connection> connection) { answered_.push_back(std::move(connection)); }
  /// For threads that answer later, perhaps when the loop has ended.
  [[nodiscard]] std::shared_ptr<Mailbox> mailbox() const { return mailbox_; }
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

  [[nodiscard]] Connections take_answered() { return std::exchange(answered_, {}); }
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

  Connections answered_;

  std::deque<std::shared_ptr<Connection>> stalled_;
  net::StorageGate::Waiter gate_waiter_;

  net::SteadyClock::time_point now_;
  std::string date_;
  bool draining_ = false;
  const std::shared_ptr<Mailbox> mailbox_;
  /// Goes before what it calls.
  const std::unique_ptr<backend::Queue> queue_;
};

}  // namespace flint::server
