#include "server/connection_host.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "http/response_head.h"

namespace flint::server {

ConnectionHost::ConnectionHost(ServerCore& core, std::string token, net::EventLog& log, Calls calls)
    : core_(core),
      token_(std::move(token)),
      traffic_(core.monitor.add_loop()),
      log_(log),
      disk_full_(log, "disk_full", "Requests were answered with 507, and not applied: the disk has no room"),
      calls_(std::move(calls)),
      gate_waiter_([this] { net::asio::post(context_, [this] { calls_.gate_has_room(); }); }),
      mailbox_(std::make_shared<Mailbox>(context_)),
      // A batch ends behind what is ready to run now: those requests shall be in it.
      queue_(core.backend.open_queue(
          {.batch_begins = [this] { net::asio::post(context_, [this] { queue_->end_batch(); }); },
           .wake = [this] { net::asio::post(context_, [this] { calls_.answers_have_come(); }); }})) {}

void ConnectionHost::audit(std::string_view what, std::string_view client) {
  log_.info("changed", std::string(what) + ", by " + std::string(client));
}

void ConnectionHost::remove(const std::shared_ptr<Connection>& connection, net::Visitor& visitor) {
  if (connections_.erase(connection) == 1) forget(visitor);
}

void ConnectionHost::forget(net::Visitor& visitor) {
  load_.fetch_sub(1, std::memory_order_relaxed);
  core_.connections.leave(visitor);
}

void ConnectionHost::read_clocks() {
  using namespace std::chrono;
  now_ = net::SteadyClock::now();
  date_ = http::http_date(duration_cast<seconds>(system_clock::now().time_since_epoch()).count());
}

std::deque<std::shared_ptr<Connection>> ConnectionHost::take_stalled() { return std::exchange(stalled_, {}); }

void ConnectionHost::put_back_stalled(std::deque<std::shared_ptr<Connection>> stalled) {
  stalled_.insert(stalled_.begin(), std::make_move_iterator(stalled.begin()), std::make_move_iterator(stalled.end()));
}

}  // namespace flint::server
