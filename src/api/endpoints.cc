#include "api/endpoints.h"

#include <algorithm>
#include <memory>

#include "api/answers.h"
#include "api/audit.h"
#include "api/errors.h"
#include "api/openapi.h"
#include "api/requests.h"
#include "api/url.h"
#include "flint/version.h"

namespace flint::api {
namespace {

/// About 100 KiB of statuses.
constexpr std::size_t kStatusesAPage = 256;
constexpr std::uint64_t kMaxListLimit = 1'000'000'000;
// These answers are made in memory, whole.
constexpr std::uint64_t kMaxHistoryLimit = 10'000;
constexpr std::uint64_t kMaxTopLimit = 10'000;
constexpr std::uint64_t kDefaultHistoryLimit = 100;
constexpr std::uint64_t kDefaultTopLimit = 20;

Deferred<Response> failed(const Status& status) { return {failure_response(status), {}}; }

template <typename T>
Response answer(const T& value, std::size_t expected_bytes = 0) {
  Response response;
  response.body.reserve(expected_bytes);
  JsonWriter json(response.body);
  write(json, value);
  return response;
}

template <typename T>
Response array_answer(const std::vector<T>& values) {
  Response response;
  JsonWriter json(response.body);
  json.begin_array();
  for (const T& value : values) write(json, value);
  json.end_array();
  return response;
}

Response done() {
  Response response;
  response.body = R"({"ok":true})";
  return response;
}

// What an endpoint does not take is refused: ignored in silence, a misplaced argument looks as if it had worked.

Status takes_no_query(const EndpointCall& call) {
  return call.request.query.empty() ? Status() : Query::parse(call.request.query, {}).status();
}

/// Nothing, or an object without members, which some clients always send.
Status takes_no_body(const EndpointCall& call) { return call.body == nullptr ? Status() : read_nothing(*call.body); }

Status takes_nothing(const EndpointCall& call) {
  Status status = takes_no_query(call);
  return status.ok() ? takes_no_body(call) : status;
}

Result<std::string> key_of(const EndpointCall& call) {
  std::optional<std::string> key = percent_decode(call.encoded_key);
  if (!key) return Status(Code::kInvalidArgument, "The key has a '%' without two hexadecimal digits behind it.");
  if (Status valid = validate_key(*key); !valid.ok()) return valid;
  return *std::move(key);
}

Deferred<Response> health(const EndpointCall& call) {
  if (Status status = takes_nothing(call); !status.ok()) return failed(status);
  if (Status status = call.limiter.health(); !status.ok()) return failed(status);
  Response response;
  JsonWriter json(response.body);
  json.begin_object();
  json.member<"ok">(true);
  json.member<"version">(version());
  json.end_object();
  return {std::move(response), {}};
}

/// The statuses of a list, a page at a time, so that neither a page's lock nor its memory grows with the list.
class StatusPages {
 public:
  StatusPages(Limiter& limiter, std::string prefix, std::string after, std::uint64_t limit)
      : limiter_(limiter), prefix_(std::move(prefix)), after_(std::move(after)), left_(limit) {}

  /// Appends the next page to `out`; false after the last one.
  Result<bool> append(std::string& out) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(kStatusesAPage, left_));
    Result<std::vector<LimitStatus>> page = limiter_.list({.prefix = prefix_, .after = after_, .max_rows = size});
    if (!page.ok()) return page.status();
    for (const LimitStatus& status : *page) {
      out += begun_ ? ',' : '[';
      begun_ = true;
      JsonWriter json(out);
      write(json, status);
    }
    left_ -= page->size();
    const bool more = page->size() == size && left_ > 0;
    if (!page->empty()) after_ = std::move(page->back().key);
    if (!more) out += begun_ ? "]" : "[]";
    return more;
  }

 private:
  Limiter& limiter_;
  std::string prefix_;
  std::string after_;
  std::uint64_t left_;
  bool begun_ = false;
};

Deferred<Response> list(const EndpointCall& call) {
  Result<Query> query = Query::parse(call.request.query, {"prefix", "limit", "after"});
  if (!query.ok()) return failed(query.status());
  Result<std::uint64_t> limit = query->number("limit", kMaxListLimit, kMaxListLimit);
  if (!limit.ok()) return failed(limit.status());
  if (Status status = takes_no_body(call); !status.ok()) return failed(status);

  auto pages = std::make_shared<StatusPages>(call.limiter, std::string(query->text("prefix").value_or("")),
                                             std::string(query->text("after").value_or("")), *limit);
  Response response;
  Result<bool> more = pages->append(response.body);
  if (!more.ok()) return failed(more.status());
  if (*more) response.more = [pages](std::string& out) { return pages->append(out); };
  return {std::move(response), {}};
}

Deferred<Response> configure(const EndpointCall& call) {
  if (Status status = takes_no_query(call); !status.ok()) return failed(status);
  Result<LimitRequest> request = read_limit(*call.body);
  if (!request.ok()) return failed(request.status());
  const Result<LimitStatus> before = call.limiter.status(request->key);
  Ticket ticket;
  if (Status status = call.limiter.limit_deferred(request->key, request->limit, &ticket); !status.ok()) {
    return failed(status);
  }
  if (call.request.audit != nullptr) note_limit(*call.request.audit, request->key, before, request->limit);
  return {done(), ticket};
}

Deferred<Response> status(const EndpointCall& call) {
  if (Status status = takes_nothing(call); !status.ok()) return failed(status);
  Result<std::string> key = key_of(call);
  if (!key.ok()) return failed(key.status());
  Result<LimitStatus> status = call.limiter.status(*key);
  if (!status.ok()) return failed(status.status());
  return {answer(*status), {}};
}

Deferred<Response> check(const EndpointCall& call) {
  constexpr std::size_t kUsualBytes = 256;
  if (Status status = takes_no_query(call); !status.ok()) return failed(status);
  Result<CheckItem> item = read_check(*call.body);
  if (!item.ok()) return failed(item.status());
  Result<Deferred<Decision>> decision = call.limiter.check_deferred(item->key, item->cost);
  if (!decision.ok()) return failed(decision.status());
  return {answer(decision->value, kUsualBytes), decision->ticket};
}

Deferred<Response> check_all(const EndpointCall& call) {
  if (Status status = takes_no_query(call); !status.ok()) return failed(status);
  Result<std::vector<CheckItem>> items = read_check_all(*call.body);
  if (!items.ok()) return failed(items.status());
  Result<Deferred<CheckAllResult>> result = call.limiter.check_all_deferred(*items);
  if (!result.ok()) return failed(result.status());
  return {answer(result->value), result->ticket};
}

Deferred<Response> reset(const EndpointCall& call) {
  if (Status status = takes_no_query(call); !status.ok()) return failed(status);
  Result<std::string_view> key = read_reset(*call.body);
  if (!key.ok()) return failed(key.status());
  Ticket ticket;
  if (Status status = call.limiter.reset_deferred(*key, &ticket); !status.ok()) return failed(status);
  if (call.request.audit != nullptr) note_reset(*call.request.audit, *key);
  return {done(), ticket};
}

Deferred<Response> history(const EndpointCall& call) {
  Result<Query> query = Query::parse(call.request.query, {"limit"});
  if (!query.ok()) return failed(query.status());
  Result<std::uint64_t> limit = query->number("limit", kDefaultHistoryLimit, kMaxHistoryLimit);
  if (!limit.ok()) return failed(limit.status());
  if (Status status = takes_no_body(call); !status.ok()) return failed(status);
  Result<std::string> key = key_of(call);
  if (!key.ok()) return failed(key.status());
  Result<std::vector<Event>> events = call.limiter.history(*key, static_cast<std::size_t>(*limit));
  if (!events.ok()) return failed(events.status());
  return {array_answer(*events), {}};
}

Deferred<Response> top(const EndpointCall& call) {
  Result<Query> query = Query::parse(call.request.query, {"by", "limit"});
  if (!query.ok()) return failed(query.status());
  Result<std::uint64_t> limit = query->number("limit", kDefaultTopLimit, kMaxTopLimit);
  if (!limit.ok()) return failed(limit.status());
  const std::string_view by = query->text("by").value_or("denied");
  if (by != "denied" && by != "allowed") {
    return failed({Code::kInvalidArgument, "by must be denied or allowed."});
  }
  if (Status status = takes_no_body(call); !status.ok()) return failed(status);
  Result<std::vector<LimitStatus>> statuses =
      call.limiter.top(by == "denied" ? TopBy::kDenied : TopBy::kAllowed, static_cast<std::size_t>(*limit));
  if (!statuses.ok()) return failed(statuses.status());
  return {array_answer(*statuses), {}};
}

Deferred<Response> flush(const EndpointCall& call) {
  if (Status status = takes_nothing(call); !status.ok()) return failed(status);
  if (Status status = call.limiter.flush(); !status.ok()) return failed(status);
  return {done(), {}};
}

Deferred<Response> compact(const EndpointCall& call) {
  if (Status status = takes_nothing(call); !status.ok()) return failed(status);
  if (Status status = call.limiter.compact(); !status.ok()) return failed(status);
  return {done(), {}};
}

Deferred<Response> doctor(const EndpointCall& call) {
  if (Status status = takes_nothing(call); !status.ok()) return failed(status);
  return {doctor_response(call.limiter.doctor()), {}};
}

Deferred<Response> openapi(const EndpointCall& call) {
  if (Status status = takes_nothing(call); !status.ok()) return failed(status);
  Response response;
  response.body = openapi_document();
  return {std::move(response), {}};
}

constexpr bool kBody = true;
constexpr bool kNoBody = false;

constexpr Endpoint kEndpoints[] = {
    {Method::kPost, "/v1/check", kBody, Effect::kDecides, check},
    {Method::kPost, "/v1/check-all", kBody, Effect::kDecides, check_all},
    {Method::kPost, "/v1/reset", kBody, Effect::kChanges, reset},
    {Method::kGet, "/v1/limits", kNoBody, Effect::kScans, list},
    {Method::kPost, "/v1/limits", kBody, Effect::kChanges, configure},
    {Method::kGet, "/v1/limits/", kNoBody, Effect::kReads, status},
    {Method::kGet, "/v1/history/", kNoBody, Effect::kScans, history},
    {Method::kGet, "/v1/top", kNoBody, Effect::kScans, top},
    {Method::kPost, "/v1/log/flush", kNoBody, Effect::kFlushes, flush},
    {Method::kPost, "/v1/log/compact", kNoBody, Effect::kExamines, compact},
    {Method::kGet, "/v1/doctor", kNoBody, Effect::kExamines, doctor},
    {Method::kGet, "/v1/health", kNoBody, Effect::kReads, health},
    {Method::kGet, "/v1/openapi.json", kNoBody, Effect::kReads, openapi},
};

}  // namespace

bool Endpoint::matches(std::string_view request_path) const {
  if (!takes_key()) return request_path == path;
  if (!request_path.starts_with(path)) return false;
  const std::string_view key = request_path.substr(path.size());
  return !key.empty() && key.find('/') == key.npos;
}

std::span<const Endpoint> endpoints() noexcept { return kEndpoints; }

Response doctor_response(const DoctorReport& report) { return answer(report); }

}  // namespace flint::api
