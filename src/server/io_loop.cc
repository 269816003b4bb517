#include "server/io_loop.h"

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <utility>

#include "server/connection.h"

namespace flint::server {
namespace {

/// How often deadlines are looked at: a quarter of the shortest, so that none is late by more than half of itself.
std::chrono::milliseconds tick_period(const ServerCore& core) {
  using std::chrono::milliseconds;
  const Deadlines& deadlines = core.deadlines;
  const milliseconds shortest = std::min({deadlines.head, deadlines.body, deadlines.write, deadlines.idle,
                                          deadlines.linger, core.backend.patience().value_or(milliseconds::max())});
  return std::clamp(shortest / 4, milliseconds(5), milliseconds(250));
}

int family_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  return getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0 ? address.ss_family : AF_UNIX;
}

}  // namespace

IoLoop::IoLoop(ServerCore& core, std::string token, net::EventLog& log)
    : host_(core, std::move(token), log,
            {.answers_have_come = [this] { take_answers(); }, .gate_has_room = [this] { resume_stalled(); }}),
      work_(host_.context().get_executor()),
      timer_(host_.context()) {}

IoLoop::~IoLoop() { join(); }

void IoLoop::start() {
  thread_ = std::thread([this] { host_.context().run(); });
}

void IoLoop::adopt(base::UniqueFd socket, const http::AccessRules& rules, std::shared_ptr<net::Visitor> visitor,
                   bool for_probes) {
  host_.expect();
  net::asio::post(host_.context(), [this, fd = std::make_shared<base::UniqueFd>(std::move(socket)), &rules,
                                    visitor = std::move(visitor), for_probes] {
    net::Socket adopted(host_.context().get_executor());
    net::error_code error;
    const net::asio::generic::stream_protocol protocol(family_of(fd->get()), 0);
    adopted.assign(protocol, fd->get(), error);
    if (error) return host_.forget(*visitor);
    static_cast<void>(fd->release());
    keep_ticking();
    auto connection = std::make_shared<Connection>(host_, std::move(adopted), rules, visitor, for_probes);
    visitor->connection = connection;
    host_.add(connection);
    connection->start();
  });
}

void IoLoop::set_token(std::string token, std::function<void()> done) {
  net::asio::post(host_.context(), [this, token = std::move(token), done = std::move(done)]() mutable {
    host_.set_token(std::move(token));
    for (const std::shared_ptr<Connection>& connection : host_.connections()) connection->doubt();
    done();
  });
}

void IoLoop::drain() {
  net::asio::post(host_.context(), [this] {
    host_.begin_drain();
    for (const std::shared_ptr<Connection>& connection : host_.connections()) connection->drain();
  });
}

void IoLoop::join() {
  if (!thread_.joinable()) return;
  net::asio::post(host_.context(), [this] {
    for (const std::shared_ptr<Connection>& connection : host_.connections()) connection->stop();
    host_.context().stop();
  });
  thread_.join();
}

void IoLoop::keep_ticking() {
  if (std::exchange(ticking_, true)) return;
  host_.read_clocks();
  schedule_tick();
}

void IoLoop::schedule_tick() {
  timer_.expires_after(tick_period(host_.core()));
  timer_.async_wait([this](net::error_code error) {
    if (!error) tick();
  });
}

/// One timer for all deadlines of all connections. A timer for each would be set again at each request, which costs
/// more than looking at every connection a few times a second.
void IoLoop::tick() {
  host_.read_clocks();
  for (const std::shared_ptr<Connection>& connection : host_.connections()) connection->enforce_deadlines();
  ticking_ = !host_.is_empty();
  if (ticking_) schedule_tick();
}

void IoLoop::take_answers() {
  host_.queue().deliver();
  // Once a connection, however many answers it has now, so that they leave in one write.
  for (const std::shared_ptr<Connection>& connection : host_.take_answered()) connection->after_telling();
}

/// In the order in which they stalled, and only as long as nobody finds the gate full again: waking all of them for
/// each free place would let the newest overtake, and make each pass as long as the queue.
void IoLoop::resume_stalled() {
  std::deque<std::shared_ptr<Connection>> stalled = host_.take_stalled();
  while (!stalled.empty() && !host_.has_stalled()) {
    const std::shared_ptr<Connection> first = std::move(stalled.front());
    stalled.pop_front();
    first->resume();
  }
  // The gate is full again. Whoever was not called waits before the one who found it so.
  host_.put_back_stalled(std::move(stalled));
}

}  // namespace flint::server
