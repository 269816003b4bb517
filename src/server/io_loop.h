#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "http/access.h"
#include "net/asio.h"
#include "net/connection_table.h"
#include "net/event_log.h"
#include "server/connection_host.h"
#include "server/server_core.h"

namespace flint::server {

/// One I/O thread with its event loop and its connections, which no other thread touches. It never waits for storage:
/// answers that must not leave before the log is durable stay with their connection, and one callback of the Limiter at
/// a time tells the loop to look again. So all requests that come while one group commit runs share the next. Threads:
/// any.
class IoLoop {
 public:
  /// The references outlive it.
  IoLoop(ServerCore& core, std::string token, net::EventLog& log);
  /// join(), for a loop that was started.
  ~IoLoop();
  IoLoop(const IoLoop&) = delete;
  IoLoop& operator=(const IoLoop&) = delete;

  void start();
  /// Before drain(). Serves a connected, non-blocking socket. `rules` outlives the loop. `for_probes`: see
  /// ConnectionTable.
  void adopt(base::UniqueFd socket, const http::AccessRules& rules, std::shared_ptr<net::Visitor> visitor,
             bool for_probes);
  /// Replaces the token of a loop that was started. Calls `done` on its thread when no request is judged by the former
  /// one any more, also on connections that are open.
  void set_token(std::string token, std::function<void()> done);
  /// Idle connections close at once, the others behind their next answer.
  void drain();
  /// Closes what is left, and returns when the thread has ended.
  void join();
  [[nodiscard]] net::IoContext& context() { return host_.context(); }
  /// Connections that are open or about to be.
  [[nodiscard]] std::size_t load() const { return host_.load(); }

 private:
  /// Ticks go on while there are connections: an idle server sleeps.
  void keep_ticking();
  void schedule_tick();
  void tick();
  void take_answers();
  void resume_stalled();

  ConnectionHost host_;
  net::asio::executor_work_guard<net::IoContext::executor_type> work_;
  net::Timer timer_;
  bool ticking_ = false;
  std::thread thread_;
};

}  // namespace flint::server
