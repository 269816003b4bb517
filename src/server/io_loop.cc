#include "server/io_loop.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "server/connection.h"
#include "server/response_head.h"

namespace flint::server {
namespace {

/// How often deadlines are looked at: a quarter of the shortest, so that none is late by more than half of itself.
std::chrono::milliseconds tick_period(const Deadlines& deadlines) {
  using std::chrono::milliseconds;
  const milliseconds shortest =
      std::min({deadlines.head, deadlines.body, deadlines.write, deadlines.idle, deadlines.linger});
  return std::clamp(shortest / 4, milliseconds(5), milliseconds(250));
}

int family_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  return getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0 ? address.ss_family : AF_UNIX;
}

/// `127.0.0.1:53412`, or `user 1000, process 4711` of a Unix socket.
std::string peer_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "a client that has left";
  if (const std::optional<IpAddress> ip = IpAddress::of(address)) {
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

/// Where other threads reach the loop, also after it is gone: a commit that ends late finds nobody at home.
struct IoLoop::Mailbox {
  base::Mutex mutex;
  IoLoop* loop FLINT_GUARDED_BY(mutex) = nullptr;

  template <typename Work>
  void post(Work work) {
    base::MutexLock lock(mutex);
    if (loop != nullptr) asio::post(loop->context_, [at = loop, work = std::move(work)] { work(*at); });
  }
};

IoLoop::IoLoop(ServerCore& core, std::string token, EventLog& log)
    : core_(core),
      token_(std::move(token)),
      traffic_(core.monitor.add_loop()),
      log_(log),
      disk_full_(log, "disk_full", "Requests were answered with 507, and not applied: the disk has no room"),
      work_(context_.get_executor()),
      timer_(context_),
      mailbox_(std::make_shared<Mailbox>()),
      gate_waiter_([this] { asio::post(context_, [this] { resume_stalled(); }); }) {
  base::MutexLock lock(mailbox_->mutex);
  mailbox_->loop = this;
}

IoLoop::~IoLoop() {
  join();
  base::MutexLock lock(mailbox_->mutex);
  mailbox_->loop = nullptr;
}

void IoLoop::start() {
  thread_ = std::thread([this] { context_.run(); });
}

void IoLoop::adopt(base::UniqueFd socket, const AccessRules& rules, std::shared_ptr<Visitor> visitor, bool for_probes) {
  load_.fetch_add(1, std::memory_order_relaxed);
  asio::post(context_, [this, fd = std::make_shared<base::UniqueFd>(std::move(socket)), &rules,
                        visitor = std::move(visitor), for_probes] {
    Socket adopted(context_.get_executor());
    error_code error;
    const asio::generic::stream_protocol protocol(family_of(fd->get()), 0);
    adopted.assign(protocol, fd->get(), error);
    if (error) return forget(*visitor);
    static_cast<void>(fd->release());
    keep_ticking();
    auto connection = std::make_shared<Connection>(*this, std::move(adopted), rules, visitor, for_probes);
    visitor->connection = connection;
    connections_.insert(connection);
    connection->start();
  });
}

void IoLoop::give_way(std::shared_ptr<Visitor> visitor) {
  asio::post(context_, [visitor = std::move(visitor)] {
    if (const std::shared_ptr<Connection> connection = visitor->connection.lock()) connection->give_way();
  });
}

void IoLoop::set_token(std::string token, std::function<void()> done) {
  asio::post(context_, [this, token = std::move(token), done = std::move(done)]() mutable {
    token_ = std::move(token);
    for (const std::shared_ptr<Connection>& connection : connections_) connection->doubt();
    done();
  });
}

void IoLoop::drain() {
  asio::post(context_, [this] {
    draining_ = true;
    const std::vector<std::shared_ptr<Connection>> all(connections_.begin(), connections_.end());
    for (const std::shared_ptr<Connection>& connection : all) connection->drain();
  });
}

void IoLoop::join() {
  if (!thread_.joinable()) return;
  asio::post(context_, [this] {
    const std::vector<std::shared_ptr<Connection>> all(connections_.begin(), connections_.end());
    for (const std::shared_ptr<Connection>& connection : all) connection->close();
    context_.stop();
  });
  thread_.join();
}

void IoLoop::remove(const std::shared_ptr<Connection>& connection) {
  if (connections_.erase(connection) == 1) forget(connection->visitor());
}

void IoLoop::audit(std::string_view what, int socket) {
  log_.info("changed", std::string(what) + ", by " + peer_of(socket));
}

void IoLoop::forget(Visitor& visitor) {
  load_.fetch_sub(1, std::memory_order_relaxed);
  core_.connections.leave(visitor);
}

void IoLoop::keep_ticking() {
  if (std::exchange(ticking_, true)) return;
  read_clocks();
  schedule_tick();
}

void IoLoop::schedule_tick() {
  timer_.expires_after(tick_period(core_.deadlines));
  timer_.async_wait([this](error_code error) {
    if (!error) tick();
  });
}

void IoLoop::tick() {
  read_clocks();
  const std::vector<std::shared_ptr<Connection>> all(connections_.begin(), connections_.end());
  for (const std::shared_ptr<Connection>& connection : all) connection->enforce_deadlines();
  ticking_ = !connections_.empty();
  if (ticking_) schedule_tick();
}

void IoLoop::read_clocks() {
  using namespace std::chrono;
  now_ = SteadyClock::now();
  date_ = http_date(duration_cast<seconds>(system_clock::now().time_since_epoch()).count());
}

void IoLoop::await_commit(std::shared_ptr<Connection> connection, std::uint64_t seq) {
  awaiting_commit_.push_back(std::move(connection));
  awaited_seq_ = std::max(awaited_seq_, seq);
  if (commit_armed_) return;
  commit_armed_ = true;
  // Behind what is ready to run now: those requests shall be in the same commit.
  asio::post(context_, [this] { arm_commit(); });
}

void IoLoop::arm_commit() {
  core_.limiter.when_durable(Ticket{awaited_seq_}, [mailbox = mailbox_](const Status& status) {
    mailbox->post([status](IoLoop& loop) { loop.on_commit(status); });
  });
}

void IoLoop::on_commit(const Status& status) {
  commit_armed_ = false;
  awaited_seq_ = 0;
  const std::vector<std::shared_ptr<Connection>> waiting = std::exchange(awaiting_commit_, {});
  for (const std::shared_ptr<Connection>& connection : waiting) connection->on_commit(status);
}

bool IoLoop::enter_gate(const std::shared_ptr<Connection>& connection) {
  if (core_.gate.enter(gate_waiter_)) return true;
  stalled_.push_back(connection);
  return false;
}

void IoLoop::resume_stalled() {
  std::deque<std::shared_ptr<Connection>> stalled = std::exchange(stalled_, {});
  while (!stalled.empty() && stalled_.empty()) {
    const std::shared_ptr<Connection> first = std::move(stalled.front());
    stalled.pop_front();
    first->resume();
  }
  // The gate is full again. Whoever was not called waits before the one who found it so.
  stalled_.insert(stalled_.begin(), std::make_move_iterator(stalled.begin()), std::make_move_iterator(stalled.end()));
}

}  // namespace flint::server
