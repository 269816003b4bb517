#include "server/connection.h"

#include <poll.h>

#include <array>
#include <utility>

#include "api/errors.h"
#include "http/response_head.h"

namespace flint::server {
namespace {

/// A client that does not take its answers is not read from once it has this much to take.
constexpr std::size_t kMostUnsent = 64 * 1024;
/// What a lingering connection reads and forgets, at most: a body that was refused, say.
constexpr std::size_t kMostDiscarded = 1024 * 1024;
/// So long a request waits for a worker although its client has ended its side.
constexpr auto kPatience = std::chrono::seconds(1);
constexpr int kDone = 200;
constexpr int kUnavailable = 503;
constexpr int kInsufficientStorage = 507;
constexpr auto kNever = net::SteadyClock::time_point::max();

http::BadRequest no_room() {
  return {503, "unavailable", "The server takes no more connections now. Try again in a second."};
}
http::Refusal timed_out() { return http::refusal_of({408, "request_timeout", "The request did not arrive in time."}); }

}  // namespace

Connection::Connection(ConnectionHost& host, net::Socket socket, const http::AccessRules& rules,
                       std::shared_ptr<net::Visitor> visitor, bool for_probes)
    : host_(host), socket_(std::move(socket)), rules_(rules), visitor_(std::move(visitor)), for_probes_(for_probes) {}

void Connection::start() {
  net::error_code ignored;
  socket_.non_blocking(true, ignored);
  pump();
}

void Connection::drain() {
  if (reading_ && !reader_.has_begun() && outbox_.empty()) close();
}

void Connection::close() {
  if (!std::exchange(open_, false)) return;
  closed_ = true;
  net::error_code ignored;
  socket_.close(ignored);
  more_ = nullptr;
  host_.remove(shared_from_this(), *visitor_);
}

/// Closes without waiting for what is in the kernel's buffer: a client that takes nothing shall not hold that memory.
void Connection::abort() {
  net::error_code ignored;
  socket_.set_option(net::asio::socket_base::linger(true, 0), ignored);
  close();
}

void Connection::give_way() {
  if (proven_) return host_.core().connections.stay(*visitor_);
  close();
}

void Connection::doubt() {
  if (rules_.asks_for_token && std::exchange(proven_, false)) host_.core().connections.doubt(*visitor_);
}

void Connection::enforce_deadlines() {
  const net::SteadyClock::time_point now = host_.now();
  if (now >= write_deadline_) return abort();
  if (in_worker_ && is_abandoned()) return close();
  if (now < input_deadline_) return;
  if (lingering_) return close();
  if (!reading_ || ending_) return;
  if (reader_.has_begun()) {
    fail(timed_out(), reader_.reads_head_method());
    return pump();
  }
  // Not idle while an answer is on its way: the time starts behind it.
  if (outbox_.empty()) return close();
  waits_for_ = Waits::kNot;
  await_input();
}

void Connection::tell(std::uint64_t place, const api::Response& response) {
  const Asked* noted = open_ ? outbox_.find(place) : nullptr;
  if (noted == nullptr) return;
  if (!told_at_) told_at_ = net::SteadyClock::now();
  Asked asked = *noted;
  if (response.status == kUnavailable) {
    // What was decided behind it may be no better off, and a client that is sent elsewhere asks for it again there.
    asked.closes = true;
    ending_ = true;
    more_ = nullptr;
    outbox_.drop_behind(place);
  }
  if (asked.at && response.status == kDone) host_.traffic().decided(*told_at_ - *asked.at);
  outbox_.fill(place, [&](std::string& out) { append_answer(out, response, asked); });
}

void Connection::after_telling() {
  if (std::exchange(told_at_, std::nullopt)) pump();
}

void Connection::resume() {
  stalled_ = false;
  pump();
}

bool Connection::may_handle() const {
  return open_ && !ending_ && !stalled_ && !in_worker_ && !more_ && outbox_.size() < kMostUnsent;
}

void Connection::pump() {
  bool needs_input = false;
  do {
    while (may_handle() && !needs_input) needs_input = !handle_next();
    write();
  } while (may_handle() && !needs_input);
  if (decided_ > 0) host_.traffic().decided(net::SteadyClock::now() - read_at_, std::exchange(decided_, 0));
  if (!open_ || lingering_) return;
  if (outbox_.empty()) {
    if (more_) return next_piece();
    if (ending_ || (host_.is_draining() && needs_input && !reader_.has_begun())) return end();
  }
  if (needs_input && may_handle()) read();
}

bool Connection::handle_next() {
  switch (reader_.next()) {
    case http::RequestReader::Step::kNeedsMore:
      return false;
    case http::RequestReader::Step::kHead:
      admit();
      return true;
    case http::RequestReader::Step::kRequest:
      serve();
      return true;
    case http::RequestReader::Step::kBad:
      fail(http::refusal_of(reader_.error()), reader_.reads_head_method());
      return true;
  }
  return false;
}

void Connection::admit() {
  const http::RequestHead& head = reader_.head();
  const bool probes = http::Monitor::is_public(head.path);
  std::optional<http::Refusal> refused = for_probes_ && !probes
                                             ? http::refusal_of(no_room())
                                             : http::refuse(head, rules_, host_.token(), host_.core().routes, route_);
  if (refused) {
    answer(std::move(refused->response), refused->close, refused->ask_for_token);
    if (!ending_) reader_.skip_body();
    return;
  }
  if (!proven_ && !probes) {
    proven_ = true;
    host_.core().connections.prove(*visitor_);
  }
  if (head.expects_continue && head.has_body()) outbox_.tail() += "HTTP/1.1 100 Continue\r\n\r\n";
  reader_.read_body();
}

void Connection::serve() {
  if (api::blocks(route_.effect)) return run_on_worker();
  const bool appends = api::appends(route_.effect);
  if (appends && !host_.enter_gate(shared_from_this())) {
    stalled_ = true;
    return;
  }
  const http::RequestHead& head = reader_.head();
  std::string audit;
  Deferred<api::Response> deferred = host_.core().routes.handle(
      route_, {.method = head.method, .path = head.path, .query = head.query, .body = reader_.body(), .audit = &audit});
  const bool waits = deferred.ticket.seq != 0 && !host_.core().limiter.is_durable(deferred.ticket);
  if (appends && !waits) host_.core().gate.leave(1);
  if (!audit.empty()) host_.audit(audit, socket_.native_handle());
  const bool decided = route_.effect == api::Effect::kDecides && deferred.value.status == kDone;
  if (waits) {
    Asked asked = take_question(false);
    if (decided) asked.at = read_at_;
    host_.tell_when_durable(deferred.ticket, {shared_from_this(), outbox_.reserve(asked), std::move(deferred.value)});
  } else {
    answer(std::move(deferred.value));
    if (decided) ++decided_;
  }
  reader_.finish();
}

void Connection::run_on_worker() {
  in_worker_ = true;
  in_worker_since_ = host_.now();
  worker_has_begun_ = false;
  const http::RequestHead& head = reader_.head();
  // The route and what the request refers to stay as they are: nothing is read meanwhile, and the connection is kept.
  const api::Request request{
      .method = head.method, .path = head.path, .query = head.query, .body = reader_.body(), .audit = nullptr};
  host_.core().workers(route_.effect).submit([self = shared_from_this(), request]() mutable {
    ConnectionHost& host = self->host_;
    self->worker_has_begun_ = true;
    if (self->closed_) return;
    auto response = std::make_shared<api::Response>(host.core().routes.handle(self->route_, request).value);
    net::asio::post(host.context(), [self = std::move(self), response] {
      self->in_worker_ = false;
      if (!self->open_ || self->ending_) return;
      self->answer(std::move(*response));
      self->reader_.finish();
      self->pump();
    });
  });
}

bool Connection::is_abandoned() {
  pollfd events{.fd = socket_.native_handle(), .events = POLLRDHUP, .revents = 0};
  if (::poll(&events, 1, 0) <= 0) return false;
  if ((events.revents & (POLLHUP | POLLERR)) != 0) return true;
  // TCP does not tell a client that has gone from one that only sends nothing more and waits for its answer. The latter
  // is rare, and a queue that is longer than a second is too.
  return !worker_has_begun_ && host_.now() - in_worker_since_ >= kPatience;
}

void Connection::next_piece() {
  if (std::exchange(in_worker_, true)) return;
  host_.core().workers(route_.effect).submit([self = shared_from_this(), more = more_]() mutable {
    ConnectionHost& host = self->host_;
    if (self->closed_) return;
    auto piece = std::make_shared<std::string>();
    Result<bool> result = more(*piece);
    net::asio::post(host.context(), [self = std::move(self), piece, result = std::move(result)] {
      self->in_worker_ = false;
      if (self->open_ && self->more_) self->take_piece(result, *piece);
    });
  });
}

void Connection::take_piece(Result<bool> more, const std::string& piece) {
  // The answer has begun and cannot be completed: only a broken connection says so.
  if (!more.ok()) return close();
  if (more_in_chunks_) {
    http::append_chunk(outbox_.tail(), piece);
  } else {
    outbox_.tail() += piece;
  }
  if (!*more) {
    more_ = nullptr;
    if (more_in_chunks_) http::append_last_chunk(outbox_.tail());
  }
  pump();
}

Asked Connection::take_question(bool close) {
  const http::RequestHead& request = reader_.head();
  client_is_done_ |= !request.keep_alive;
  ending_ = close || for_probes_ || client_is_done_ || host_.is_draining();
  waits_for_ = Waits::kNot;
  return {.is_head_method = request.is_head_method, .http_1_0 = request.http_1_0, .closes = ending_, .at = {}};
}

void Connection::answer(api::Response response, bool close, bool ask_for_token) {
  Asked asked = take_question(close || response.status == kUnavailable);
  if (!response.more) return append_answer(outbox_.tail(), response, asked, ask_for_token);
  // The answer to HEAD has the fields of a long answer, and ends with them.
  more_in_chunks_ = !asked.http_1_0;
  ending_ |= !more_in_chunks_;
  asked.closes = ending_;
  append_answer(outbox_.tail(), response, asked, ask_for_token);
  if (!asked.is_head_method) more_ = std::move(response.more);
}

void Connection::append_answer(std::string& out, const api::Response& response, const Asked& asked,
                               bool ask_for_token) {
  host_.traffic().answered(response.status);
  if (response.status == kInsufficientStorage) host_.note_full_disk();
  const bool in_chunks = response.more && !asked.http_1_0;
  http::ResponseHead head = head_of(response);
  head.ask_for_token = ask_for_token;
  if (response.more) {
    head.body = in_chunks ? http::ResponseHead::Body::kChunked : http::ResponseHead::Body::kUntilClose;
  }
  head.close = asked.closes;
  head.keep_alive = asked.http_1_0 && !asked.closes;
  http::append_head(out, head);
  if (asked.is_head_method) return;
  if (in_chunks) {
    http::append_chunk(out, response.body);
  } else {
    out += response.body;
  }
}

http::ResponseHead Connection::head_of(const api::Response& response) const {
  http::ResponseHead head;
  head.status = response.status;
  head.content_length = response.body.size();
  head.content_type = response.content_type;
  head.retry_after = response.status == kUnavailable;
  head.allow = response.allow;
  head.date = host_.date();
  head.keep_browsers_out = rules_.keep_browsers_out;
  return head;
}

void Connection::fail(const http::Refusal& refusal, bool without_body) {
  host_.traffic().answered(refusal.response.status);
  ending_ = true;
  more_ = nullptr;
  http::ResponseHead head = head_of(refusal.response);
  head.close = true;
  http::append_head(outbox_.tail(), head);
  if (!without_body) outbox_.tail() += refusal.response.body;
}

void Connection::write() {
  while (open_ && !awaiting_writable_) {
    const std::string_view bytes = outbox_.sendable();
    if (bytes.empty()) {
      write_deadline_ = kNever;
      return;
    }
    net::error_code error;
    const std::size_t count = socket_.write_some(net::asio::buffer(bytes), error);
    if (error == net::asio::error::would_block || error == net::asio::error::try_again) return await_writable();
    if (error) return close();
    outbox_.sent(count);
  }
}

void Connection::await_writable() {
  if (write_deadline_ == kNever) write_deadline_ = host_.now() + host_.core().deadlines.write;
  awaiting_writable_ = true;
  socket_.async_wait(net::Socket::wait_write, [self = shared_from_this()](net::error_code error) {
    self->awaiting_writable_ = false;
    if (!self->open_) return;
    if (error) return self->close();
    self->pump();
  });
}

void Connection::read() {
  if (std::exchange(reading_, true)) return;
  await_input();
  const std::span<char> space = reader_.space();
  socket_.async_read_some(net::asio::buffer(space.data(), space.size()),
                          [self = shared_from_this()](net::error_code error, std::size_t count) {
                            self->reading_ = false;
                            if (self->open_) self->on_read(error, count);
                          });
}

void Connection::on_read(net::error_code error, std::size_t count) {
  if (error && error != net::asio::error::eof) return close();
  if (lingering_) return error ? close() : discard();
  if (error) {
    client_is_done_ = true;
    ending_ = true;
    if (outbox_.empty()) return close();
  } else {
    reader_.filled(count);
    read_at_ = net::SteadyClock::now();
  }
  pump();
}

void Connection::await_input() {
  const Waits now = reader_.is_in_body() ? Waits::kBody : reader_.has_begun() ? Waits::kHead : Waits::kIdle;
  if (std::exchange(waits_for_, now) == now) return;
  const Deadlines& deadlines = host_.core().deadlines;
  input_deadline_ = host_.now() + (now == Waits::kBody   ? deadlines.body
                                   : now == Waits::kHead ? deadlines.head
                                                         : deadlines.idle);
}

void Connection::end() {
  if (client_is_done_ && !reader_.has_begun()) return close();
  linger();
}

/// Closing with bytes unread makes the kernel send a reset, which can overtake the last answer and destroy it. So the
/// client is told that nothing more comes, and what it still sends is read and forgotten for a while.
void Connection::linger() {
  lingering_ = true;
  input_deadline_ = host_.now() + host_.core().deadlines.linger;
  net::error_code error;
  socket_.shutdown(net::Socket::shutdown_send, error);
  if (error) return close();
  if (!reading_) discard();
}

void Connection::discard() {
  socket_.async_wait(net::Socket::wait_read, [self = shared_from_this()](net::error_code error) {
    if (!self->open_) return;
    // A little at a time: whoever sends as fast as it can shall not keep the loop from the other connections.
    std::array<char, 16 * 1024> forgotten;
    if (!error) self->discarded_ += self->socket_.read_some(net::asio::buffer(forgotten), error);
    const bool goes_on = !error || error == net::asio::error::would_block;
    if (!goes_on || self->discarded_ >= kMostDiscarded) return self->close();
    self->discard();
  });
}

}  // namespace flint::server
