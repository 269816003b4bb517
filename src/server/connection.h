#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/exchange.h"
#include "api/service.h"
#include "backend/backend.h"
#include "http/access.h"
#include "http/answer.h"
#include "http/request_reader.h"
#include "net/asio.h"
#include "net/loop.h"
#include "net/outbox.h"
#include "net/stream.h"
#include "server/connection_host.h"

namespace flint::server {

/// One client: reads its requests, has them answered in order, writes the answers. Everything happens on its loop's
/// thread. As many requests as have come are handled in one go, and as many answers as may leave are written in one.
///
/// It stops reading, and so makes the client wait, while a request runs on a worker, while the storage gate is full and
/// while the client does not take its answers.
class Connection final : public net::Stream, public Hosted, private backend::Asker {
 public:
  Connection(ConnectionHost& host, net::Socket socket, const http::AccessRules& rules,
             std::shared_ptr<net::Visitor> visitor, bool for_probes);

  void start() override { pump(); }
  /// Closes, unless a request here has passed the access rules.
  void give_way() override;
  /// The token is another one now.
  void doubt() override;
  void enforce_deadlines() override;
  void drain() override;
  /// Tells the client that the answers which it waits for do not come any more, and closes.
  void stop() override;
  /// Sends what was told since the last time.
  void after_telling() override;
  void resume() override;

 private:
  /// Where it stands in serving what was read.
  enum class Serving : std::uint8_t {
    /// The next request is handled when it is there.
    kRequests,
    /// The request waits for a place in the storage gate.
    kGate,
    /// The request runs on a worker.
    kWorker,
    /// A long answer is on its way, piece by piece.
    kPieces,
    /// A worker makes the next piece.
    kPiece,
    /// Nothing: the last answer is in the outbox.
    kNothing,
  };

  /// What is noted of an answer that comes later.
  struct Question {
    http::Asked asked;
    const api::OperationRow* operation = nullptr;
    /// By the loop's clock.
    net::SteadyClock::time_point since;
    /// When it was read; nothing where nobody measures how long the answer takes.
    std::optional<net::SteadyClock::time_point> at;
  };

  void on_input(std::size_t count) override;
  void on_end_of_input() override;
  void on_writable() override { pump(); }
  void on_close() override;
  void answered(std::uint64_t number, backend::Answer&& answer) override;

  /// Goes as far as it can: handles what has come, writes what may leave, reads on.
  void pump();
  [[nodiscard]] bool may_handle() const;
  /// Handles the next piece of input; false when more must come first.
  bool handle_next();
  void admit();
  void serve();
  /// The answer that `place` was kept for is there. It leaves with after_telling().
  void tell(std::uint64_t place, const api::Response& response);
  /// Whether the backend's patience with its oldest question is over.
  [[nodiscard]] bool is_overdue() const;
  /// Answers in place of the backend, which has not, the oldest of its questions, and ends.
  void give_up(std::string_view why);
  void run_on_worker();
  void take_worker_answer(api::Response response);
  /// Whether nobody waits any more for what a worker is to do.
  [[nodiscard]] bool is_abandoned();
  void next_piece();
  void take_piece(const Result<bool>& more, const std::string& piece);

  /// The answer to the request that was read last comes next in the outbox, now or later. Serves nothing behind it if
  /// it is the last.
  [[nodiscard]] http::Asked take_question(bool close = false);
  void answer(api::Response response, bool close = false, bool ask_for_token = false);
  /// A last answer that belongs to no request, or not to the one that is being read. `without_body` when the client
  /// sent a HEAD, and would take a body for the next answer.
  void fail(const http::Refusal& refusal, bool without_body = false);
  void append(std::string& out, const api::Response& response, const http::Asked& asked, bool ask_for_token = false);

  void send();
  void read_on();
  void await_input();
  void end();
  [[nodiscard]] std::shared_ptr<Connection> self() { return std::static_pointer_cast<Connection>(shared_from_this()); }

  ConnectionHost& host_;
  net::Loop& loop_;
  const http::AccessRules& rules_;
  const std::shared_ptr<net::Visitor> visitor_;
  const bool for_probes_;
  http::RequestReader reader_;
  net::Outbox<Question> outbox_;
  api::Service::Route route_;

  Serving serving_ = Serving::kRequests;
  /// The rest of a long answer, a piece at a time, and the request that it answers.
  std::function<void(const api::Response::TakePiece&)> more_;
  http::Asked long_asked_;
  /// Operations that are with the queue, and how many of them have a place in the storage gate.
  std::size_t asked_ = 0;
  std::size_t in_gate_ = 0;
  /// While serve() submits, and the answer that came at once.
  bool submitting_ = false;
  std::optional<api::Response> at_once_;
  net::SteadyClock::time_point in_worker_since_;
  /// Set by the worker.
  std::atomic<bool> worker_has_begun_ = false;
  /// For the worker: what has not begun by then is not done.
  std::atomic<bool> closed_ = false;

  /// A request has passed the access rules, other than a probe, which anybody may send.
  bool proven_ = false;
  /// The client has said that it sends nothing more, or that this request is its last.
  bool client_is_done_ = false;

  /// When the last bytes came: read once for all requests in them.
  net::SteadyClock::time_point read_at_;
  /// Decisions since then that are in the outbox and wait for nothing.
  std::uint64_t decided_ = 0;
  /// When the first answer was told since the last after_telling().
  std::optional<net::SteadyClock::time_point> told_at_;

  enum class Waits : std::uint8_t { kNot, kIdle, kHead, kBody };
  Waits waits_for_ = Waits::kNot;
  net::SteadyClock::time_point input_deadline_ = net::SteadyClock::time_point::max();
  net::SteadyClock::time_point write_deadline_ = net::SteadyClock::time_point::max();
};

}  // namespace flint::server
