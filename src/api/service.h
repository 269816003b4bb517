#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "flint/limiter.h"

/// The HTTP API without HTTP: what each endpoint takes and answers, over a Limiter. The server puts sockets under it;
/// the command calls it in its own process, so that `--json` is the API's JSON by construction.
namespace flint::api {

enum class Method : std::uint8_t {
  /// HEAD too: the server leaves out the body of its answer.
  kGet,
  kPost,
  /// A method of HTTP that no endpoint has (PUT, TRACE, ...): every path that exists answers 405.
  kOther,
};

/// How an endpoint works, so that a server can keep what is slow away from what should be quick.
enum class Work : std::uint8_t {
  /// Waits for nothing.
  kQuick,
  /// Waits for a sync.
  kFlushes,
  /// Reads a page of keys, or the log.
  kReads,
  /// Reads or writes everything.
  kExamines,
};

struct Request {
  Method method = Method::kGet;
  /// As sent: percent-encoded, from '/' up to '?' or the end.
  std::string_view path;
  /// Behind '?', without it; percent-encoded.
  std::string_view query;
  /// JSON; the caller has checked the content type.
  std::string_view body;
  /// Where to write what was changed, for the log of a server: not a sentence, since who did it follows. Null for
  /// nowhere; left as it is when nothing was changed.
  std::string* audit = nullptr;
};

struct Response {
  /// An HTTP status: 200, 400, 404, 405, 503, 507, ...
  int status = 200;
  /// Whole, unless `more` is set.
  std::string body;
  /// Static storage.
  std::string_view content_type = "application/json";
  /// For 405: "GET, HEAD", "POST" or "GET, HEAD, POST". Static storage.
  std::string_view allow;
  /// A long answer in pieces, of which `body` is the first: appends the next one to its argument and says whether there
  /// are more. After a failure the answer cannot be completed. Empty when `body` is all. Usable as long as the Limiter.
  std::function<Result<bool>(std::string&)> more;
};

/// Threads: any.
class Service {
 public:
  /// `limiter` outlives the service.
  explicit Service(Limiter& limiter) : limiter_(limiter) {}

  /// What the request needs before it can be handled. Routes on method and path alone, so that a server can refuse
  /// before it reads a body: `error.status` is 200, 404, 405, or 400 for a path with a bad percent escape.
  struct Route {
    Response error;
    bool takes_body = false;
    /// Other than kQuick: not for an I/O thread.
    Work work = Work::kQuick;
    /// Makes decisions. How long those take is what an operator wants to know.
    bool decides = false;
  };
  [[nodiscard]] Route route(Method method, std::string_view path) const;

  /// Decides and logs, but does not wait: the response may be told to nobody before its ticket is durable; if that
  /// fails, tell failure_response() instead. Routes that block do so in here.
  Deferred<Response> handle(const Request& request);

 private:
  Limiter& limiter_;
};

/// `{"error":"<sentence>","code":"<snake_case>"}` with the HTTP status that belongs to the code: the one table.
[[nodiscard]] Response failure_response(const Status& status);
[[nodiscard]] Response error_response(int http_status, std::string_view code, std::string_view message);
/// What GET /v1/doctor answers, also for a report that was made without a Limiter (flint::inspect, flint::repair).
[[nodiscard]] Response doctor_response(const DoctorReport& report);

}  // namespace flint::api
