#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "http/access.h"
#include "http/gates.h"
#include "net/listener.h"
#include "server/connection_host.h"
#include "server/options.h"
#include "server/server_core.h"

namespace flint::server {

struct HttpSettings {
  std::size_t max_blocking = 1024;
  std::size_t top_denied = 0;
  unsigned threads = 1;
  net::ConnectionPlaces places{.places = kMaxConnections, .spare = net::ConnectionTable::kSpare};
  /// Of which requests need one on sockets that ask for it.
  api::Tokens tokens;
  http::Gates gates;
  Deadlines deadlines;
};

/// Answers the HTTP API over one backend on any number of sockets. Threads: its methods from one.
class HttpServer {
 public:
  /// `backend` and `log` must outlive it.
  HttpServer(backend::Backend& backend, const HttpSettings& settings, net::EventLog& log);
  /// stop() without time to drain.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Before start().
  void add(net::ListenSocket socket, http::AccessRules rules);
  Status start();

  /// Between start() and stop(). When it returns, only these tokens are valid, even on open connections.
  void set_tokens(const api::Tokens& tokens);
  /// Between start() and stop(). Requests that come later are judged by these.
  void set_gates(const http::Gates& gates);

  /// Stops accepting, removes the sockets' names, finishes the requests in progress, and closes the connections that
  /// are not done within `drain`. Returns when all threads have ended, and whether all requests were finished in time.
  bool stop(std::chrono::milliseconds drain);

  /// Runs `job` on the workers for requests with this effect, which blocks.
  void submit(api::Effect effect, std::function<void()> job) { core_.workers(effect).submit(std::move(job)); }

  /// The number of answers so far.
  [[nodiscard]] std::uint64_t answers() const { return core_.monitor.answers(); }
  /// The number of open connections.
  [[nodiscard]] std::size_t connections() { return core_.connections.count(); }

  /// Waits up to `timeout`. Returns whether at most `count` connections are left.
  bool wait_for_connections(std::size_t count, std::chrono::milliseconds timeout) {
    return core_.connections.wait_for(count, timeout);
  }

 private:
  void take(base::UniqueFd socket, const http::AccessRules& rules, std::optional<base::IpAddress> client);

  net::EventLog& log_;
  ServerCore core_;
  /// The rules of each socket. Connections refer to them.
  std::deque<http::AccessRules> rules_;
  std::vector<std::unique_ptr<ConnectionHost>> hosts_;
  net::IoContext accept_context_{1};
  net::asio::executor_work_guard<net::IoContext::executor_type> accept_work_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::thread accept_thread_;
  net::RepeatedWarning turned_away_;
  net::RepeatedWarning dropped_;
  bool stopped_ = false;
};

}  // namespace flint::server
