#include "net/loop.h"

#include <sys/socket.h>

namespace flint::net {
namespace {

int family_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  return getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0 ? address.ss_family : AF_UNIX;
}

}  // namespace

Loop::Loop(ConnectionTable& table, std::chrono::milliseconds period, std::function<void()> clock_was_read)
    : table_(table),
      period_(period),
      clock_was_read_(std::move(clock_was_read)),
      work_(context_.get_executor()),
      timer_(context_),
      mailbox_(std::make_shared<Mailbox>(context_)) {}

Loop::~Loop() {
  join();
  mailbox_->close();
}

void Loop::start() {
  thread_ = std::thread([this] { context_.run(); });
}

void Loop::adopt(base::UniqueFd socket, std::shared_ptr<Visitor> visitor, Make make) {
  // Counted here, not on the loop's thread, so that the next connection goes to another loop.
  load_.fetch_add(1, std::memory_order_relaxed);
  asio::post(context_, [this, fd = std::make_shared<base::UniqueFd>(std::move(socket)), visitor = std::move(visitor),
                        make = std::move(make)] {
    Socket adopted(context_.get_executor());
    error_code error;
    adopted.assign(asio::generic::stream_protocol(family_of(fd->get()), 0), fd->get(), error);
    if (error) return forget(*visitor);
    static_cast<void>(fd->release());
    keep_ticking();
    const std::shared_ptr<Stream> stream = make(std::move(adopted));
    visitor->connection = stream;
    streams_.insert(stream);
    stream->start();
  });
}

void Loop::drain() {
  asio::post(context_, [this] {
    draining_ = true;
    for (const std::shared_ptr<Stream>& stream : streams()) stream->drain();
  });
}

void Loop::join() {
  if (!thread_.joinable()) return;
  asio::post(context_, [this] {
    for (const std::shared_ptr<Stream>& stream : streams()) stream->stop();
    context_.stop();
  });
  thread_.join();
}

void Loop::remove(const std::shared_ptr<Stream>& stream, Visitor& visitor) {
  if (streams_.erase(stream) == 1) forget(visitor);
}

void Loop::forget(Visitor& visitor) {
  load_.fetch_sub(1, std::memory_order_relaxed);
  table_.leave(visitor);
}

/// Ticks go on only while there are connections: an idle server sleeps.
void Loop::keep_ticking() {
  if (std::exchange(ticking_, true)) return;
  read_clock();
  schedule_tick();
}

void Loop::schedule_tick() {
  timer_.expires_after(period_);
  timer_.async_wait([this](error_code error) {
    if (!error) tick();
  });
}

void Loop::read_clock() {
  now_ = SteadyClock::now();
  clock_was_read_();
}

/// One timer for all deadlines of all connections. A timer for each would be set again at each request, which costs
/// more than looking at every connection a few times a second.
void Loop::tick() {
  read_clock();
  for (const std::shared_ptr<Stream>& stream : streams()) stream->enforce_deadlines();
  ticking_ = !streams_.empty();
  if (ticking_) schedule_tick();
}

}  // namespace flint::net
