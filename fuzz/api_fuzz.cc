#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/json_document.h"
#include "api/service.h"
#include "backend/local.h"
#include "flint/limiter.h"

/// Requests to the HTTP API: each gets an answer of the table, in JSON that a strict reader accepts.
///
/// The input is a request a line: `POST /v1/check {"key":"k"}`, `GET /v1/limits?prefix=k`.
namespace {

using namespace flint;

void require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
}

/// Stands still, so that an input does the same each time.
class StoppedClock final : public Clock {
 public:
  [[nodiscard]] ClockReading read() const noexcept override { return {}; }
};

/// Up to `end`, which is dropped; what is behind stays in `rest`.
std::string_view take(std::string_view& rest, char end) {
  const std::size_t size = std::min(rest.find(end), rest.size());
  const std::string_view taken = rest.substr(0, size);
  rest.remove_prefix(std::min(size + 1, rest.size()));
  return taken;
}

void require_json(const std::string& text) {
  // The document description is deeper than a request may be.
  constexpr std::string_view kDescription = R"({"openapi":)";
  if (text.starts_with(kDescription)) return;
  api::JsonDocument document;
  const Status parsed = document.parse(text);
  const bool too_long = parsed.message().find("values") != std::string::npos;
  require(parsed.ok() || too_long, "an answer that is no JSON: " + parsed.message() + "\n" + text);
}

void require_answer(api::Response response) {
  constexpr std::array kStatuses{200, 400, 404, 405, 409};
  require(std::find(kStatuses.begin(), kStatuses.end(), response.status) != kStatuses.end(),
          "status " + std::to_string(response.status) + ": " + response.body);
  require((response.status == 405) == !response.fields.empty(), "405 says what is allowed, and nothing else does");
  const Status completed = api::Service::complete(response);
  require(completed.ok(), "a long answer broke off: " + completed.message());
  const std::string& body = response.body;
  require_json(body);
  require(response.status == 200 || body.starts_with(R"({"error":)"), "a failure that is not told: " + body);
}

void handle(api::Service& service, std::string_view line) {
  const std::string_view method = take(line, ' ');
  std::string_view target = take(line, ' ');
  const std::string_view path = take(target, '?');
  // A string of its own size, so that the sanitizer sees a read beyond it.
  const std::string body(line);
  const api::Request request{.method = method == "GET"    ? api::Method::kGet
                                       : method == "POST" ? api::Method::kPost
                                                          : api::Method::kOther,
                             .path = path,
                             .query = target,
                             .body = body};
  const api::Service::Route route = service.route(request.method, request.path);
  api::Response answer = service.handle(request);
  require(!route.error || route.error->status == answer.status, "the route said something else");
  require_answer(std::move(answer));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kLongest = 4096;
  if (size > kLongest) return 0;
  static const StoppedClock clock;
  auto limiter = Limiter::open_in_memory({.sync = SyncMode::kBatch, .clock = &clock});
  require(limiter.ok(), "a limiter in memory does not open: " + limiter.status().message());
  backend::LocalBackend backend(**limiter);
  api::Service service(backend);
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (!rest.empty()) handle(service, take(rest, '\n'));
  return 0;
}
