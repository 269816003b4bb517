#include "server/connection_host.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <utility>

#include "api/errors.h"
#include "base/ip_address.h"
#include "http/response_head.h"

namespace flint::server {
namespace {

/// `127.0.0.1:53412`, or `user 1000, process 4711` of a Unix socket.
std::string peer_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "a client that has left";
  if (const std::optional<base::IpAddress> ip = base::IpAddress::of(address)) {
    const std::string text = ip->text();
    const bool v6 = text.find(':') != text.npos;
    // The port is at the same place in both kinds of address.
    const auto port = ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
    return (v6 ? "[" + text + "]" : text) + ":" + std::to_string(port);
  }
  ucred peer{};
  size = sizeof(peer);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return "a local client";
  return "user " + std::to_string(peer.uid) + ", process " + std::to_string(peer.pid);
}

}  // namespace

ConnectionHost::ConnectionHost(ServerCore& core, std::string token, net::EventLog& log, Calls calls)
    : core_(core),
      token_(std::move(token)),
      traffic_(core.monitor.add_loop()),
      log_(log),
      disk_full_(log, "disk_full", "Requests were answered with 507, and not applied: the disk has no room"),
      calls_(std::move(calls)),
      gate_waiter_([this] { net::asio::post(context_, [this] { calls_.gate_has_room(); }); }) {}

void ConnectionHost::audit(std::string_view what, int socket) {
  log_.info("changed", std::string(what) + ", by " + peer_of(socket));
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

bool ConnectionHost::enter_gate(const std::shared_ptr<Connection>& connection) {
  if (core_.gate.enter(gate_waiter_)) return true;
  stalled_.push_back(connection);
  return false;
}

std::deque<std::shared_ptr<Connection>> ConnectionHost::take_stalled() { return std::exchange(stalled_, {}); }

void ConnectionHost::put_back_stalled(std::deque<std::shared_ptr<Connection>> stalled) {
  stalled_.insert(stalled_.begin(), std::make_move_iterator(stalled.begin()), std::make_move_iterator(stalled.end()));
}

}  // namespace flint::server
