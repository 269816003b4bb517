#include "server/connection_host.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "http/response_head.h"

namespace flint::server {
namespace {

using std::chrono::milliseconds;

/// How often deadlines are looked at: a quarter of the shortest, so that none is late by more than half of itself.
milliseconds tick_period(const ServerCore& core) {
  const Deadlines& deadlines = core.deadlines;
  const milliseconds shortest = std::min({deadlines.head, deadlines.body, deadlines.write, deadlines.idle,
                                          deadlines.linger, core.backend.patience().value_or(milliseconds::max())});
  return std::clamp(shortest / 4, milliseconds(5), milliseconds(250));
}

std::string date_now() {
  using namespace std::chrono;
  return http::http_date(duration_cast<seconds>(system_clock::now().time_since_epoch()).count());
}

}  // namespace

ConnectionHost::ConnectionHost(ServerCore& core, api::Tokens tokens, http::Gates gates, net::EventLog& log)
    : core_(core),
      tokens_(std::move(tokens)),
      gates_(std::move(gates)),
      traffic_(core.monitor.add_loop()),
      log_(log),
      disk_full_(log, "disk_full", "Requests were answered with 507 and had no effect: the disk is full"),
      loop_(core.connections, tick_period(core), [this] { date_ = date_now(); }),
      gate_waiter_([this] { net::asio::post(loop_.context(), [this] { resume_stalled(); }); }),
      // A batch ends behind what is ready to run now: those requests shall be in it.
      queue_(core.backend.open_queue(
          {.batch_begins = [this] { net::asio::post(loop_.context(), [this] { queue_->end_batch(); }); },
           .wake = [this] { net::asio::post(loop_.context(), [this] { deliver(); }); }})) {}

void ConnectionHost::set_tokens(api::Tokens tokens, std::function<void()> done) {
  net::asio::post(loop_.context(), [this, tokens = std::move(tokens), done = std::move(done)]() mutable {
    tokens_ = std::move(tokens);
    for (const std::shared_ptr<net::Stream>& stream : loop_.streams()) stream->doubt();
    done();
  });
}

void ConnectionHost::set_gates(http::Gates gates) {
  net::asio::post(loop_.context(), [this, gates = std::move(gates)]() mutable { gates_ = std::move(gates); });
}

void ConnectionHost::audit(std::string_view what, std::string_view client) {
  log_.info("changed", std::string(what) + ", by " + std::string(client));
}

void ConnectionHost::deliver() {
  queue_->deliver();
  // Once a connection, however many answers it has now, so that they leave in one write.
  for (const std::shared_ptr<Hosted>& connection : std::exchange(answered_, {})) connection->after_telling();
}

/// In the order in which they stalled, and only as long as nobody finds the gate full again: waking all of them for
/// each free place would let the newest overtake, and make each pass as long as the queue.
void ConnectionHost::resume_stalled() {
  std::deque<std::shared_ptr<Hosted>> stalled = std::exchange(stalled_, {});
  while (!stalled.empty() && stalled_.empty()) {
    const std::shared_ptr<Hosted> first = std::move(stalled.front());
    stalled.pop_front();
    first->resume();
  }
  // The gate is full again. Whoever was not called waits before the one who found it so.
  stalled_.insert(stalled_.begin(), std::make_move_iterator(stalled.begin()), std::make_move_iterator(stalled.end()));
}

}  // namespace flint::server
