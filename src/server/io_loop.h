#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/unique_fd.h"
#include "server/admission.h"
#include "server/asio.h"
#include "server/connection_table.h"
#include "server/event_log.h"
#include "server/server_core.h"

namespace flint::server {

class Connection;

/// One I/O thread with its event loop and its connections, which no other thread touches. It never waits for storage:
/// answers that must not leave before the log is durable stay with their connection, and one callback of the Limiter at
/// a time tells the loop to look again. So all requests that come while one group commit runs share the next.
class IoLoop {
 public:
  /// The references outlive it.
  IoLoop(ServerCore& core, std::string token, EventLog& log);
  /// join(), for a loop that was started.
  ~IoLoop();
  IoLoop(const IoLoop&) = delete;
  IoLoop& operator=(const IoLoop&) = delete;

  // From any thread.

  void start();
  /// Before drain(). Serves a connected, non-blocking socket. `rules` outlives the loop. `for_probes`: see
  /// ConnectionTable.
  void adopt(base::UniqueFd socket, const AccessRules& rules, std::shared_ptr<Visitor> visitor, bool for_probes);
  /// Has a connection closed that this loop adopted, unless it is proven by now.
  void give_way(std::shared_ptr<Visitor> visitor);
  /// Replaces the token of a loop that was started. Calls `done` on its thread when no request is judged by the former
  /// one any more, also on connections that are open.
  void set_token(std::string token, std::function<void()> done);
  /// Idle connections close at once, the others behind their next answer.
  void drain();
  /// Closes what is left, and returns when the thread has ended.
  void join();
  /// Connections that are open or about to be.
  [[nodiscard]] std::size_t load() const { return load_.load(std::memory_order_relaxed); }

  // From its own thread, for its connections.

  [[nodiscard]] ServerCore& core() { return core_; }
  [[nodiscard]] IoContext& context() { return context_; }
  /// Refreshed by the tick: behind by at most its period.
  [[nodiscard]] SteadyClock::time_point now() const { return now_; }
  [[nodiscard]] const std::string& date() const { return date_; }
  [[nodiscard]] bool is_draining() const { return draining_; }
  /// What a request carries where the rules ask for a token. A copy of its own, so that reading it costs nothing.
  [[nodiscard]] const std::string& token() const { return token_; }
  [[nodiscard]] Traffic& traffic() { return traffic_; }
  void note_full_disk() { disk_full_.happened(); }
  /// Logs `what` with the peer of `socket`, which did it.
  void audit(std::string_view what, int socket);
  void remove(const std::shared_ptr<Connection>& connection);
  /// Calls Connection::on_commit once the log may be durable up to `seq`.
  void await_commit(std::shared_ptr<Connection> connection, std::uint64_t seq);
  /// Whether `connection` may begin a request that waits on storage; if not, Connection::resume is called later.
  bool enter_gate(const std::shared_ptr<Connection>& connection);

 private:
  struct Mailbox;

  void forget(Visitor& visitor);

  /// Ticks go on while there are connections: an idle server sleeps.
  void keep_ticking();
  void schedule_tick();
  void tick();
  void read_clocks();
  void arm_commit();
  void on_commit(const Status& status);
  void resume_stalled();

  ServerCore& core_;
  std::string token_;
  Traffic& traffic_;
  EventLog& log_;
  RepeatedWarning disk_full_;
  IoContext context_{1};
  asio::executor_work_guard<IoContext::executor_type> work_;
  Timer timer_;
  std::shared_ptr<Mailbox> mailbox_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  std::atomic<std::size_t> load_ = 0;

  std::vector<std::shared_ptr<Connection>> awaiting_commit_;
  std::uint64_t awaited_seq_ = 0;
  bool commit_armed_ = false;

  std::deque<std::shared_ptr<Connection>> stalled_;
  StorageGate::Waiter gate_waiter_;

  SteadyClock::time_point now_;
  std::string date_;
  bool ticking_ = false;
  bool draining_ = false;
  std::thread thread_;
};

}  // namespace flint::server
