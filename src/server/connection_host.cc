#include "server/connection_host.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "api/errors.h"
#include "http/response_head.h"

namespace flint::server {

ConnectionHost::ConnectionHost(ServerCore& core, std::string token, net::EventLog& log, Calls calls)
    : core_(core),
      token_(std::move(token)),
      traffic_(core.monitor.add_loop()),
      log_(log),
      disk_full_(log, "disk_full", "Requests were answered with 507, and not applied: the disk has no room"),
      calls_(std::move(calls)),
      gate_waiter_([this] { net::asio::post(context_, [this] { calls_.gate_has_room(); }); }) {}

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

void ConnectionHost::tell_when_durable(Ticket ticket, Answer answer) {
  untold_.push_back({ticket, std::move(answer)});
  awaited_.seq = std::max(awaited_.seq, ticket.seq);
  await_commit();
}

void ConnectionHost::await_commit() {
  if (untold_.empty() || std::exchange(commit_is_awaited_, true)) return;
  // Behind what is ready to run now: those requests shall be in the same commit.
  net::asio::post(context_, [this] { calls_.commit_is_awaited(); });
}

std::vector<ConnectionHost::Answer> ConnectionHost::take_told(const Status& status) {
  commit_is_awaited_ = false;
  std::vector<Answer> told;
  told.reserve(untold_.size());
  awaited_ = {};
  std::size_t kept = 0;
  for (Untold& untold : untold_) {
    if (status.ok() && !core_.limiter.is_durable(untold.ticket)) {
      awaited_.seq = std::max(awaited_.seq, untold.ticket.seq);
      if (&untold_[kept] != &untold) untold_[kept] = std::move(untold);
      ++kept;
      continue;
    }
    told.push_back(std::move(untold.answer));
    // What was decided may or may not be on disk: none of it may be told.
    if (!status.ok()) told.back().response = api::failure_response(status);
  }
  untold_.erase(untold_.begin() + static_cast<std::ptrdiff_t>(kept), untold_.end());
  core_.gate.leave(told.size());
  await_commit();
  return told;
}

std::deque<std::shared_ptr<Connection>> ConnectionHost::take_stalled() { return std::exchange(stalled_, {}); }

void ConnectionHost::put_back_stalled(std::deque<std::shared_ptr<Connection>> stalled) {
  stalled_.insert(stalled_.begin(), std::make_move_iterator(stalled.begin()), std::make_move_iterator(stalled.end()));
}

}  // namespace flint::server
