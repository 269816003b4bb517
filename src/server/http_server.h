#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/io_loop.h"
#include "server/listener.h"
#include "server/options.h"
#include "server/server_core.h"

namespace flint::server {

struct HttpSettings {
  std::size_t max_blocking = 1024;
  unsigned threads = 1;
  ConnectionPlaces places{.places = kMostConnections, .spare = ConnectionTable::kSpare};
  /// What requests carry on sockets that ask for it.
  std::string token;
  Deadlines deadlines;
};

/// Answers the HTTP API over one Limiter on any number of sockets. Threads: its methods from one.
class HttpServer {
 public:
  /// `limiter` and `log` outlive it.
  HttpServer(Limiter& limiter, const HttpSettings& settings, EventLog& log);
  /// stop(), without time to drain.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Before start().
  void add(ListenSocket socket, AccessRules rules);
  Status start();

  /// Between start() and stop(). When it returns, requests are judged by this token alone, also on open connections.
  void set_token(const std::string& token);

  /// Stops accepting and takes the sockets' names away, finishes what is in flight, closes what is not done by `drain`
  /// from now, and returns when no thread is left. Whether all was done in time.
  bool stop(std::chrono::milliseconds drain);

  /// Runs `job` as requests of that effect, which blocks, are run.
  void submit(api::Effect effect, std::function<void()> job) { core_.workers(effect).submit(std::move(job)); }

  /// Whether at most `count` connections were left before `timeout` had passed.
  bool wait_for_connections(std::size_t count, std::chrono::milliseconds timeout) {
    return core_.connections.wait_for(count, timeout);
  }

 private:
  void take(base::UniqueFd socket, const AccessRules& rules, std::optional<IpAddress> client);

  EventLog& log_;
  ServerCore core_;
  /// Of each socket. Connections refer to them.
  std::deque<AccessRules> rules_;
  std::vector<std::unique_ptr<IoLoop>> loops_;
  IoContext accept_context_{1};
  asio::executor_work_guard<IoContext::executor_type> accept_work_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::thread accept_thread_;
  RepeatedWarning turned_away_;
  RepeatedWarning dropped_;
  bool stopped_ = false;
};

}  // namespace flint::server
