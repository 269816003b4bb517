#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "api/exchange.h"
#include "api/tokens.h"
#include "backend/backend.h"

/// The HTTP API without HTTP: which operation a request is, and what its answer looks like. The server puts sockets
/// under it; the command calls it in its own process, so that `--json` is the API's JSON by construction.
namespace flint::api {

struct OperationRow;

/// A request passes through here twice: on its way in it becomes an operation for the backend, and the answer, when it
/// comes, becomes a response. Nothing is kept in between, so it may come at any time.
///
/// Threads: any.
class Service {
 public:
  /// `backend` outlives the service.
  explicit Service(backend::Backend& backend) : backend_(backend) {}

  /// What the request needs before it can be handled. Routes on method and path alone, so that a server can refuse
  /// before it reads a body: `error` is 404, 405, or 400 for a path with a bad percent escape.
  struct Route {
    std::optional<Response> error;
    bool takes_body = false;
    /// It leads to a gate, and so to no operation.
    bool is_gate = false;
    std::size_t most_body_bytes = kMaxBodyBytes;
    /// Who may have it, besides admin.
    Roles roles;
    Effect effect = Effect::kReads;
    /// The sender may not send a limit along: 403.
    bool refuses_limits = false;
    /// Static storage; null when `error` says why there is no operation.
    const OperationRow* operation = nullptr;
  };
  [[nodiscard]] static Route route(Method method, std::string_view path);

  // For a route without an error, and a request of its method and path.

  /// For an effect that does not block. A response here is the answer, and the request asks nothing of the backend.
  /// Otherwise it was submitted to `queue`: respond() makes the response of what `asker` is answered.
  [[nodiscard]] static std::optional<Response> submit(const Route& route, const Request& request, backend::Queue& queue,
                                                      backend::Asker& asker, std::uint64_t number);

  /// The response to a request whose operation was answered. Where something was changed, says what in `audit`, for the
  /// log of a server: not a sentence, since who did it follows. Null: nobody wants to know.
  [[nodiscard]] static Response respond(const OperationRow& operation, const backend::Answer& answer,
                                        std::string* audit);
  /// The same in place of `response`, whose memory is used again.
  static void respond(const OperationRow& operation, const backend::Answer& answer, std::string* audit,
                      Response& response);

  /// For any effect, and those that block only here: the caller's thread may have to wait. `done` is called once, in
  /// here or later on any thread. `request` needs to live until this returns, `audit` (see respond()) until `done` is
  /// called.
  void run(const Route& route, const Request& request, std::function<void(Response)> done,
           std::string* audit = nullptr);

  // For callers that wait for each answer.

  [[nodiscard]] Response handle(const Request& request, std::string* audit = nullptr);
  /// Appends the rest of a long answer to its body.
  [[nodiscard]] static Status complete(Response& response);

 private:
  backend::Backend& backend_;
};

}  // namespace flint::api
