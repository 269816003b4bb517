#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/exchange.h"
#include "api/gate.h"
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

/// One client: reads its requests, gets them answered, and writes the answers in order. Everything happens on the
/// loop's thread. All requests that have arrived are handled together, and all answers that may be sent are written
/// together.
///
/// It stops reading, so that the client waits, while a request runs on a worker, while the storage gate is full, and
/// while the client does not read its answers.
class Connection final : public net::Stream, public Hosted, private backend::Asker {
 public:
  Connection(ConnectionHost& host, net::Socket socket, const http::AccessRules& rules,
             std::shared_ptr<net::Visitor> visitor, bool for_probes);

  void start() override { pump(); }
  /// Closes, unless a request on this connection has passed the access rules.
  void give_way() override;
  /// The tokens have changed.
  void doubt() override;
  void enforce_deadlines() override;
  void drain() override;
  /// Tells the client that outstanding answers will not come, and closes.
  void stop() override;
  /// Sends the answers told since the last call.
  void after_telling() override;
  void resume() override;

 private:
  /// The state of serving what was read.
  enum class Serving : std::uint8_t {
    /// Handles the next request when it is complete.
    kRequests,
    /// The request waits for a place in the storage gate.
    kGate,
    /// The request runs on a worker.
    kWorker,
    /// A long answer is being sent, piece by piece.
    kPieces,
    /// A worker prepares the next piece.
    kPiece,
    /// Serves no more: the last answer is in the outbox.
    kNothing,
  };

  /// The note of an answer that comes later.
  struct Question {
    http::Asked asked;
    /// Null if a gate was asked.
    const api::OperationRow* operation = nullptr;
    api::GateStatuses statuses;
    /// By the loop's clock.
    net::SteadyClock::time_point since;
    /// When it was read; nothing if the duration is not measured.
    std::optional<net::SteadyClock::time_point> at;
  };

  void on_input(std::size_t count) override;
  void on_end_of_input() override;
  void on_writable() override { pump(); }
  void on_close() override;
  void answered(std::uint64_t number, backend::Answer&& answer) override;

  /// Goes as far as possible: handles what has arrived, writes what may be sent, continues to read.
  void pump();
  [[nodiscard]] bool may_handle() const;
  /// Handles the next piece of input. Returns false if more must arrive first.
  bool handle_next();
  void admit();
  void serve();
  /// Asks what the request says. The response, if that is the answer already.
  [[nodiscard]] std::optional<api::Response> submit(std::uint64_t number);
  /// `operation` is null for the answer to a gate.
  void respond(const api::OperationRow* operation, const api::GateStatuses& statuses, const backend::Answer& answer,
               api::Response& response);
  /// Fills `place` with its answer, which after_telling() sends.
  void tell(std::uint64_t place, const api::Response& response);
  /// Whether the oldest question has waited longer than the backend's patience.
  [[nodiscard]] bool is_overdue() const;
  /// Answers the oldest question, which the backend has not answered, and ends the connection.
  void give_up(std::string_view why);
  void run_on_worker();
  void take_worker_answer(api::Response response, const std::string& audit);
  /// Whether the client no longer waits for the worker's answer.
  [[nodiscard]] bool is_abandoned();
  void next_piece();
  void take_piece(const Result<bool>& more, const std::string& piece);

  /// Called when the answer to the request that was read last takes the next position in the outbox, now or later. If
  /// it is the last answer, nothing after it is served.
  [[nodiscard]] http::Asked take_question(bool close = false);
  void answer(api::Response&& response, bool close = false, bool ask_for_token = false);
  /// Appends a last answer that belongs to no request, or not to the one being read. `without_body` if the client sent
  /// a HEAD and would take a body for the next answer.
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
  /// Of the gate that the request leads to, once it was asked.
  api::GateStatuses statuses_;

  Serving serving_ = Serving::kRequests;
  /// The rest of a long answer, one piece per call, and the request that it answers.
  std::function<void(const api::Response::TakePiece&)> more_;
  http::Asked long_asked_;
  /// The number of operations in the queue, and how many of them have a place in the storage gate.
  std::size_t asked_ = 0;
  std::size_t in_gate_ = 0;
  /// Set while serve() submits; and whether the answer came during that call, and is in the host's at_once().
  bool submitting_ = false;
  bool at_once_ = false;
  net::SteadyClock::time_point in_worker_since_;
  /// Set by the worker.
  std::atomic<bool> worker_has_begun_ = false;
  /// Read by the worker: a job that has not begun by then is dropped.
  std::atomic<bool> closed_ = false;

  /// A request has passed the access rules. Probes do not count, because anyone may send them.
  bool proven_ = false;
  /// The client has announced that it sends nothing more, or that this request is its last.
  bool client_is_done_ = false;

  /// When the last bytes arrived: one time for all requests in them.
  net::SteadyClock::time_point read_at_;
  /// The number of decisions since then that were answered immediately.
  std::uint64_t decided_ = 0;
  /// When the first answer since the last after_telling() was told.
  std::optional<net::SteadyClock::time_point> told_at_;

  enum class Waits : std::uint8_t { kNot, kIdle, kHead, kBody };
  Waits waits_for_ = Waits::kNot;
  net::SteadyClock::time_point input_deadline_ = net::SteadyClock::time_point::max();
  net::SteadyClock::time_point write_deadline_ = net::SteadyClock::time_point::max();
};

}  // namespace flint::server
