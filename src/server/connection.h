#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "api/exchange.h"
#include "api/service.h"
#include "http/access.h"
#include "http/request_reader.h"
#include "http/response_head.h"
#include "net/asio.h"
#include "net/outbox.h"
#include "server/connection_host.h"

namespace flint::server {

/// What an answer has to know of its request, which may be gone when it is told.
struct Asked {
  bool is_head_method = false;
  bool http_1_0 = false;
  /// It is the last answer of its connection.
  bool closes = false;
  /// When it was read; nothing where nobody measures how long an answer takes.
  std::optional<net::SteadyClock::time_point> at;
};

/// One client: reads its requests, has them answered in order, writes the answers. Everything happens on its loop's
/// thread. As many requests as have come are handled in one go, and as many answers as may leave are written in one.
///
/// It stops reading, and so makes the client wait, while a request runs on a worker, while the storage gate is full and
/// while the client does not take its answers.
class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  Connection(ConnectionHost& host, net::Socket socket, const http::AccessRules& rules,
             std::shared_ptr<net::Visitor> visitor, bool for_probes);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start();
  void drain();
  void close();
  /// Makes room for another, unless a request here has passed the access rules.
  void give_way();
  /// The token is another one now: what was proven with the former one is to be proven again.
  void doubt();
  void enforce_deadlines();
  /// The answer that `place` was kept for is there. It leaves with after_telling().
  void tell(std::uint64_t place, const api::Response& response);
  /// Sends what was told since the last time.
  void after_telling();
  /// There may be room in the storage gate.
  void resume();

 private:
  /// Goes as far as it can: handles what has come, writes what may leave, reads on.
  void pump();
  [[nodiscard]] bool may_handle() const;
  /// Handles the next piece of input; false when more must come first.
  bool handle_next();
  void admit();
  void serve();
  void run_on_worker();
  /// Whether nobody waits any more for what a worker is to do.
  [[nodiscard]] bool is_abandoned();
  void next_piece();
  void take_piece(Result<bool> more, const std::string& piece);

  /// The answer to the request that was read last comes next in the outbox, now or later.
  [[nodiscard]] Asked take_question(bool close);
  void answer(api::Response response, bool close = false, bool ask_for_token = false);
  void append_answer(std::string& out, const api::Response& response, const Asked& asked, bool ask_for_token = false);
  /// A last answer that belongs to no request, or not to the one that is being read. `without_body` when the client
  /// sent a HEAD, and would take a body for the next answer.
  void fail(const http::Refusal& refusal, bool without_body = false);
  [[nodiscard]] http::ResponseHead head_of(const api::Response& response) const;

  void write();
  void await_writable();
  void read();
  void on_read(net::error_code error, std::size_t count);
  void await_input();
  void end();
  void abort();
  void linger();
  void discard();

  ConnectionHost& host_;
  net::Socket socket_;
  const http::AccessRules& rules_;
  const std::shared_ptr<net::Visitor> visitor_;
  const bool for_probes_;
  http::RequestReader reader_;
  net::Outbox<Asked> outbox_;
  api::Service::Route route_;
  /// The rest of a long answer, a piece at a time.
  std::function<Result<bool>(std::string&)> more_;
  bool more_in_chunks_ = false;

  bool open_ = true;
  /// A request has passed the access rules, other than a probe, which anybody may send.
  bool proven_ = false;
  bool reading_ = false;
  bool awaiting_writable_ = false;
  bool stalled_ = false;
  bool in_worker_ = false;
  net::SteadyClock::time_point in_worker_since_;
  /// Set by the worker.
  std::atomic<bool> worker_has_begun_ = false;
  /// Set when the connection closes: what has not begun by then is not done.
  std::atomic<bool> closed_ = false;
  /// The last answer is in the outbox: nothing more is read.
  bool ending_ = false;
  bool lingering_ = false;
  /// The client has said that it sends nothing more, or that this request is its last.
  bool client_is_done_ = false;
  std::size_t discarded_ = 0;

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
