#include "server/connection.h"

#include <utility>

#include "api/errors.h"

namespace flint::server {
namespace {

/// A client that does not take its answers is not read from once it has this much to take.
constexpr std::size_t kMaxUnsent = 64 * 1024;
/// So long a request waits for a worker although its client has ended its side.
constexpr auto kPatience = std::chrono::seconds(1);
constexpr int kDone = 200;
constexpr int kUnavailable = 503;
constexpr int kInsufficientStorage = 507;
constexpr auto kNever = net::SteadyClock::time_point::max();

http::BadRequest no_room() {
  return {503, "unavailable", "The server cannot take more connections at the moment. Try again in a second."};
}
/// Whether the answer tells of a failure with this status, which a denying gate may have as well.
bool is_failure(const api::Response& response, int status) { return response.status == status && !response.by_gate; }
bool is_decision(const api::Response& response) { return response.status == kDone || response.by_gate; }
http::Refusal timed_out() { return http::refusal_of({408, "request_timeout", "The request did not arrive in time."}); }

}  // namespace

Connection::Connection(ConnectionHost& host, net::Socket socket, const http::AccessRules& rules,
                       std::shared_ptr<net::Visitor> visitor, bool for_probes)
    : Stream(std::move(socket)),
      host_(host),
      loop_(host.loop()),
      rules_(rules),
      visitor_(std::move(visitor)),
      for_probes_(for_probes) {}

void Connection::drain() {
  if (reading() == Reading::kAsked && !reader_.has_begun() && outbox_.empty()) close();
}

void Connection::on_close() {
  closed_ = true;
  serving_ = Serving::kNothing;
  more_ = nullptr;
  if (asked_ > 0) host_.queue().forget(*this);
  host_.core().gate.leave(in_gate_);
  asked_ = in_gate_ = 0;
  loop_.remove(self(), *visitor_);
}

void Connection::stop() {
  const bool in_worker = serving_ == Serving::kWorker || serving_ == Serving::kPiece;
  if (outbox_.oldest() != nullptr || in_worker) give_up("The server stopped before the limits answered.");
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
  const net::SteadyClock::time_point now = loop_.now();
  if (now >= write_deadline_) return abort();
  const bool in_worker = serving_ == Serving::kWorker || serving_ == Serving::kPiece;
  if (in_worker && is_abandoned()) return close();
  if (is_overdue()) return give_up("The limits did not answer in time.");
  if (now < input_deadline_) return;
  if (reading() == Reading::kLingers) return close();
  if (reading() != Reading::kAsked || serving_ == Serving::kNothing) return;
  if (reader_.has_begun()) {
    fail(timed_out(), reader_.reads_head_method());
    return pump();
  }
  // Not idle while an answer is on its way: the time starts behind it.
  if (outbox_.empty()) return close();
  waits_for_ = Waits::kNot;
  await_input();
}

bool Connection::is_overdue() const {
  const std::optional<std::chrono::milliseconds> patience = host_.core().backend.patience();
  if (!patience) return false;
  const Question* oldest = outbox_.oldest();
  if (oldest != nullptr && loop_.now() - oldest->since >= *patience) return true;
  const bool in_worker = serving_ == Serving::kWorker || serving_ == Serving::kPiece;
  return in_worker && worker_has_begun_ && loop_.now() - in_worker_since_ >= *patience;
}

/// A backend that never answers holds up this connection, which is the only one that waits for it, until here. What it
/// was asked to do may have been done: nobody knows, and the answer says no more than that. With it the connection
/// ends, because the answers behind it are no better off.
void Connection::give_up(std::string_view why) {
  const api::Response response = api::failure_response(
      Status(Code::kUnavailable, std::string(why) + " It is not known whether the request was carried out."));
  if (outbox_.oldest() != nullptr) {
    tell(outbox_.oldest_place(), response);
    return after_telling();
  }
  // The beginning of a long answer has left: only a broken connection says that the rest is missing.
  if (serving_ == Serving::kPiece) return close();
  fail({.response = response, .close = true, .ask_for_token = false}, reader_.head().is_head_method);
  pump();
}

void Connection::answered(std::uint64_t number, backend::Answer&& answer) {
  if (submitting_) {
    respond(route_.operation, statuses_, answer, host_.at_once());
    at_once_ = true;
  } else {
    --asked_;
    if (number % 2 != 0) {
      --in_gate_;
      host_.core().gate.leave(1);
    }
    const Question* question = outbox_.find(number / 2);
    if (question == nullptr) return;
    api::Response response;
    respond(question->operation, question->statuses, answer, response);
    tell(number / 2, response);
  }
}

void Connection::respond(const api::OperationRow* operation, const api::GateStatuses& statuses,
                         const backend::Answer& answer, api::Response& response) {
  if (operation == nullptr) {
    response = api::gate_response(answer, statuses);
    return;
  }
  std::string audit;
  api::Service::respond(*operation, answer, &audit, response);
  if (!audit.empty()) host_.audit(audit, client_name());
}

void Connection::tell(std::uint64_t place, const api::Response& response) {
  const Question* question = is_open() ? outbox_.find(place) : nullptr;
  if (question == nullptr) return;
  if (!told_at_) {
    told_at_ = net::SteadyClock::now();
    host_.was_answered(self());
  }
  http::Asked asked = question->asked;
  if (loop_.is_draining() && serving_ == Serving::kRequests && !reader_.has_begun() && outbox_.is_last(place)) {
    // Nothing is served after it: the client must learn that from the answer, not from a request that is dropped.
    asked.closes = true;
    serving_ = Serving::kNothing;
  }
  if (question->at && is_decision(response)) host_.traffic().decided(*told_at_ - *question->at);
  if (is_failure(response, kUnavailable)) {
    // What was decided behind it may be no better off, and a client that is sent elsewhere asks for it again there.
    asked.closes = true;
    serving_ = Serving::kNothing;
    more_ = nullptr;
    outbox_.drop_behind(place);
  }
  outbox_.fill(place, [&](std::string& out) { append(out, response, asked); });
}

void Connection::after_telling() {
  if (std::exchange(told_at_, std::nullopt)) pump();
}

void Connection::resume() {
  if (serving_ == Serving::kGate) serving_ = Serving::kRequests;
  pump();
}

bool Connection::may_handle() const { return serving_ == Serving::kRequests && outbox_.size() < kMaxUnsent; }

/// All that happens to a connection ends here, and this decides what it does next: there is no other place that starts
/// to read, to write or to end. So it does not matter in which order things happen to it, and no callback has to know
/// what another one has left undone.
///
/// Three questions are independent of each other, each with a state of its own: what is asked of the socket (Reading),
/// what the socket takes (Writing), and what the requests wait for (Serving). A client may still send while it takes no
/// answers, and a read may be out when the last answer is written: one state for all three would need their product.
///
/// The loop goes round twice at most for one event as a rule. It handles all that has come before it writes, so that
/// pipelined requests share one write and, in `always`, one commit; and it looks again after it has written, because
/// requests that had to wait for room in the outbox may go on then. What is left is to read, which is asked for only
/// when a request is incomplete: a request that waits keeps the bytes behind it in the kernel, and its client waiting.
void Connection::pump() {
  bool needs_input = false;
  do {
    while (may_handle() && !needs_input) needs_input = !handle_next();
    send();
  } while (may_handle() && !needs_input);
  if (decided_ > 0) host_.traffic().decided(net::SteadyClock::now() - read_at_, std::exchange(decided_, 0));
  if (!is_open() || reading() == Reading::kLingers) return;
  if (outbox_.empty()) {
    if (serving_ == Serving::kPieces) return next_piece();
    const bool drained = loop_.is_draining() && needs_input && !reader_.has_begun();
    if (serving_ == Serving::kNothing || drained) return end();
  }
  if (needs_input && may_handle()) read_on();
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
                                             : http::refuse(head, rules_, host_.tokens(), host_.core().routes, route_);
  if (refused) {
    answer(std::move(refused->response), refused->close, refused->ask_for_token);
    if (serving_ != Serving::kNothing) reader_.skip_body();
    return;
  }
  if (!proven_ && !http::Routes::is_public(head.path)) {
    proven_ = true;
    host_.core().connections.prove(*visitor_);
  }
  if (head.expects_continue && head.has_body()) outbox_.tail() += "HTTP/1.1 100 Continue\r\n\r\n";
  reader_.read_body(route_.most_body_bytes);
}

/// The answer may come while the operation is submitted, as almost every one does where nothing waits for a sync, or at
/// any time later. In the first case it goes to the outbox as it is; in the second a place there keeps the order, and
/// the connection reads on. The number of an operation says which place that is, and whether it went through the gate.
void Connection::serve() {
  if (api::blocks(route_.effect)) return run_on_worker();
  const bool appends = api::appends(route_.effect);
  if (appends && !host_.enter_gate()) {
    serving_ = Serving::kGate;
    return host_.resume_later(self());
  }
  submitting_ = true;
  at_once_ = false;
  std::optional<api::Response> refusal = submit(outbox_.next() * 2 + (appends ? 1 : 0));
  submitting_ = false;
  const bool decides = route_.effect == api::Effect::kDecides;
  if (refusal || at_once_) {
    api::Response& response = refusal ? *refusal : host_.at_once();
    if (appends) host_.core().gate.leave(1);
    if (decides && is_decision(response)) ++decided_;
    answer(std::move(response));
  } else {
    ++asked_;
    if (appends) ++in_gate_;
    Question question{
        .asked = take_question(), .operation = route_.operation, .statuses = statuses_, .since = loop_.now(), .at = {}};
    if (decides) question.at = read_at_;
    outbox_.reserve(question);
  }
  reader_.finish();
}

std::optional<api::Response> Connection::submit(std::uint64_t number) {
  const http::RequestHead& head = reader_.head();
  if (route_.is_gate) {
    return host_.gates().submit(route_, head, visitor_->client, host_.queue(), *this, number, statuses_);
  }
  return host_.core().routes.submit(
      route_, {.method = head.method, .path = head.path, .query = head.query, .body = reader_.body()}, host_.queue(),
      *this, number);
}

void Connection::run_on_worker() {
  serving_ = Serving::kWorker;
  in_worker_since_ = loop_.now();
  worker_has_begun_ = false;
  const http::RequestHead& head = reader_.head();
  // The route and what the request refers to stay as they are: nothing is read meanwhile, and the connection is kept
  // until the backend has taken the operation. What waits for the answer keeps nothing: it may never come.
  const api::Request request{.method = head.method, .path = head.path, .query = head.query, .body = reader_.body()};
  host_.core().workers(route_.effect).submit([self = self(), request] {
    self->worker_has_begun_ = true;
    if (self->closed_) return;
    const auto audit = std::make_shared<std::string>();
    self->host_.core().routes.run(
        self->route_, request,
        [waiting = std::weak_ptr(self), mailbox = self->loop_.mailbox(), audit](api::Response response) {
          mailbox->post([waiting, response = std::make_shared<api::Response>(std::move(response)), audit] {
            if (const auto connection = waiting.lock()) connection->take_worker_answer(std::move(*response), *audit);
          });
        },
        audit.get());
  });
}

void Connection::take_worker_answer(api::Response response, const std::string& audit) {
  if (!audit.empty()) host_.audit(audit, client_name());
  if (serving_ != Serving::kWorker) return;
  answer(std::move(response));
  reader_.finish();
  pump();
}

bool Connection::is_abandoned() {
  switch (client()) {
    case Client::kThere:
      return false;
    case Client::kGone:
      return true;
    case Client::kEnded:
      break;
  }
  // TCP does not tell a client that has gone from one that only sends nothing more and waits for its answer. The latter
  // is rare, and a queue that is longer than a second is too.
  return !worker_has_begun_ && loop_.now() - in_worker_since_ >= kPatience;
}

void Connection::next_piece() {
  serving_ = Serving::kPiece;
  in_worker_since_ = loop_.now();
  const auto take = [waiting = std::weak_ptr(self()), mailbox = loop_.mailbox()](const Result<bool>& follows,
                                                                                 std::string piece) {
    mailbox->post([waiting, follows, piece = std::make_shared<std::string>(std::move(piece))] {
      const auto connection = waiting.lock();
      if (connection && connection->serving_ == Serving::kPiece) connection->take_piece(follows, *piece);
    });
  };
  // A stream of events waits for time to pass, which needs no thread.
  if (!api::blocks(route_.effect)) return more_(take);
  host_.core().workers(route_.effect).submit([self = self(), more = more_, take] {
    if (!self->closed_) more(take);
  });
}

void Connection::take_piece(const Result<bool>& more, const std::string& piece) {
  // The answer has begun and cannot be completed: only a broken connection says so.
  if (!more.ok()) return close();
  http::append_piece(outbox_.tail(), piece, !*more, long_asked_);
  serving_ = Serving::kPieces;
  if (!*more) {
    more_ = nullptr;
    serving_ = long_asked_.closes ? Serving::kNothing : Serving::kRequests;
  }
  pump();
}

http::Asked Connection::take_question(bool close) {
  const http::RequestHead& request = reader_.head();
  client_is_done_ |= !request.keep_alive;
  waits_for_ = Waits::kNot;
  const bool closes = close || for_probes_ || client_is_done_ || loop_.is_draining();
  serving_ = closes ? Serving::kNothing : Serving::kRequests;
  return {.is_head_method = request.is_head_method, .http_1_0 = request.http_1_0, .closes = closes};
}

void Connection::answer(api::Response&& response, bool close, bool ask_for_token) {
  const bool ends_with_it = response.more && reader_.head().http_1_0;
  const http::Asked asked = take_question(close || ends_with_it || is_failure(response, kUnavailable));
  append(outbox_.tail(), response, asked, ask_for_token);
  if (!response.more || asked.is_head_method) return;
  more_ = std::move(response.more);
  long_asked_ = asked;
  serving_ = Serving::kPieces;
}

void Connection::fail(const http::Refusal& refusal, bool without_body) {
  serving_ = Serving::kNothing;
  more_ = nullptr;
  append(outbox_.tail(), refusal.response, {.is_head_method = without_body, .http_1_0 = false, .closes = true});
}

void Connection::append(std::string& out, const api::Response& response, const http::Asked& asked, bool ask_for_token) {
  host_.traffic().answered(response.status);
  if (is_failure(response, kInsufficientStorage)) host_.note_full_disk();
  http::append_answer(out, response, asked, {.date = host_.date(), .keep_browsers_out = rules_.keep_browsers_out},
                      ask_for_token);
}

void Connection::send() {
  while (writing() == Writing::kFree) {
    const std::string_view bytes = outbox_.sendable();
    if (bytes.empty()) {
      write_deadline_ = kNever;
      return;
    }
    outbox_.sent(write(bytes));
  }
  // Absolute: a client that takes a byte now and then does not put it off.
  if (writing() == Writing::kFull && write_deadline_ == kNever) {
    write_deadline_ = loop_.now() + host_.core().deadlines.write;
  }
}

void Connection::read_on() {
  if (reading() != Reading::kPaused) return;
  await_input();
  read(reader_.space());
}

void Connection::on_input(std::size_t count) {
  reader_.filled(count);
  read_at_ = net::SteadyClock::now();
  pump();
}

void Connection::on_end_of_input() {
  client_is_done_ = true;
  serving_ = Serving::kNothing;
  if (outbox_.empty()) return close();
  pump();
}

void Connection::await_input() {
  const Waits now = reader_.is_in_body() ? Waits::kBody : reader_.has_begun() ? Waits::kHead : Waits::kIdle;
  if (std::exchange(waits_for_, now) == now) return;
  const Deadlines& deadlines = host_.core().deadlines;
  input_deadline_ = loop_.now() + (now == Waits::kBody   ? deadlines.body
                                   : now == Waits::kHead ? deadlines.head
                                                         : deadlines.idle);
}

void Connection::end() {
  if (client_is_done_ && !reader_.has_begun()) return close();
  input_deadline_ = loop_.now() + host_.core().deadlines.linger;
  linger();
}

}  // namespace flint::server
