#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/exchange.h"
#include "api/tokens.h"
#include "backend/backend.h"
#include "http/gates.h"
#include "http/traffic.h"
#include "net/event_log.h"
#include "net/loop.h"
#include "net/storage_gate.h"
#include "server/server_core.h"

namespace flint::server {

/// A connection as its host sees it: one that may wait for answers, or for a place in the storage gate.
class Hosted {
 public:
  /// All available answers have been told.
  virtual void after_telling() = 0;
  /// There may be room in the storage gate.
  virtual void resume() = 0;

 protected:
  ~Hosted() = default;
};

/// What the connections of one loop share: the loop, the tokens, the gates, the date, the counters, the loop's queue to
/// the backend, and the connections that wait for the queue or for the storage gate. It never waits for storage.
/// Answers that must not leave before the log is durable stay with their connections until the backend wakes the loop,
/// once for all of them: so every request that comes during one group commit shares the next. Threads: the loop's,
/// unless a comment says otherwise.
class ConnectionHost {
 public:
  /// The references outlive it.
  ConnectionHost(ServerCore& core, api::Tokens tokens, http::Gates gates, net::EventLog& log);
  ~ConnectionHost() { loop_.join(); }
  ConnectionHost(const ConnectionHost&) = delete;
  ConnectionHost& operator=(const ConnectionHost&) = delete;

  /// Threads: any.
  [[nodiscard]] net::Loop& loop() { return loop_; }
  /// Replaces the tokens of a loop that was started. Calls `done` on its thread once no request is judged by the former
  /// ones, not even on connections that are open. Threads: any.
  void set_tokens(api::Tokens tokens, std::function<void()> done);

  /// Replaces the gates of a loop that was started, soon. Threads: any.
  void set_gates(http::Gates gates);

  [[nodiscard]] ServerCore& core() { return core_; }
  [[nodiscard]] const std::string& date() const { return date_; }
  /// Of which requests need one where the rules ask for it. Each host has its own copy, so that reading it needs no
  /// lock.
  [[nodiscard]] const api::Tokens& tokens() const { return tokens_; }
  /// Each host has its own copy of these, too.
  [[nodiscard]] const http::Gates& gates() const { return gates_; }
  [[nodiscard]] http::Traffic& traffic() { return traffic_; }
  [[nodiscard]] backend::Queue& queue() { return *queue_; }
  /// For the response to a request that is answered at once, which is written before the next one is read: one for all
  /// connections, so that its memory is used again.
  [[nodiscard]] api::Response& at_once() { return at_once_; }
  void note_full_disk() { disk_full_.happened(); }
  /// Logs `what`, and the client that did it.
  void audit(std::string_view what, std::string_view client);

  /// Calls after_telling() once all answers in the queue are delivered.
  void was_answered(std::shared_ptr<Hosted> connection) { answered_.push_back(std::move(connection)); }
  /// Whether a request that waits on storage may begin. If not, call resume_later().
  [[nodiscard]] bool enter_gate() { return core_.gate.enter(gate_waiter_); }
  /// Calls resume() when there may be room in the gate.
  void resume_later(std::shared_ptr<Hosted> connection) { stalled_.push_back(std::move(connection)); }

 private:
  void deliver();
  void resume_stalled();

  ServerCore& core_;
  api::Tokens tokens_;
  http::Gates gates_;
  http::Traffic& traffic_;
  net::EventLog& log_;
  net::RepeatedWarning disk_full_;
  std::string date_;
  api::Response at_once_;
  net::Loop loop_;

  std::vector<std::shared_ptr<Hosted>> answered_;
  std::deque<std::shared_ptr<Hosted>> stalled_;
  net::StorageGate::Waiter gate_waiter_;
  /// Destroyed before what it calls.
  const std::unique_ptr<backend::Queue> queue_;
};

}  // namespace flint::server
