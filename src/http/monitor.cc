#include "http/monitor.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/errors.h"
#include "api/url.h"
#include "flint/version.h"
#include "http/metrics_text.h"

namespace flint::http {
namespace {

constexpr std::string_view kMetricsPath = "/metrics";
constexpr std::string_view kLivePath = "/livez";
constexpr std::string_view kReadyPath = "/readyz";
constexpr std::size_t kUsualMetricsBytes = 8 * 1024;

api::Response word(int status, std::string_view text) {
  api::Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::string(text) + "\n";
  return response;
}

Status takes_nothing(const api::Request& request) {
  if (!request.body.empty()) return {Code::kInvalidArgument, "This path takes no body."};
  return request.query.empty() ? Status() : api::Query::parse(request.query, {}).status();
}

/// Each loop counts for itself, and the sums are made when they are asked for: a request then shares no cache line with
/// another thread.
void add(Histogram& to, const Histogram& from) {
  if (to.buckets.empty()) {
    to = from;
    return;
  }
  for (std::size_t i = 0; i < to.buckets.size(); ++i) to.buckets[i].count += from.buckets[i].count;
  to.above += from.above;
  to.sum += from.sum;
}

void write_limiter(MetricsText& text, const Stats& stats) {
  text.family("flint_decisions_total", "counter", "Decisions since the server started, by outcome.");
  text.sample("flint_decisions_total", "outcome=\"allowed\"", stats.allowed);
  text.sample("flint_decisions_total", "outcome=\"denied\"", stats.denied);
  text.gauge("flint_request_ids", "Requests that are remembered by their ids.", stats.request_ids);
  text.counter("flint_request_ids_dropped_total",
               "Such requests that were forgotten before their ten minutes were over, for lack of room.",
               stats.request_ids_dropped);
  text.gauge("flint_reservations", "Reservations that are held: at most 1,000,000.", stats.reservations);
  text.counter("flint_reservations_expired_total", "Reservations that nobody settled before their end.",
               stats.reservations_expired);
  text.counter("flint_reservations_full_total", "Reservations that were refused for lack of room.",
               stats.reservations_full);
  text.counter("flint_would_deny_total", "Checks that limits in mode shadow allowed although they did not fit.",
               stats.would_deny);
  text.gauge("flint_keys", "Limits, patterns and keys.", stats.keys);
  text.gauge("flint_born_keys", "Of these, keys that live by patterns and carried limits: at most --max-keys.",
             stats.born_keys);
  text.counter("flint_forgotten_keys_total", "Such keys that were forgotten, with their full quota back.",
               stats.forgotten_keys);
  text.counter("flint_keys_full_total", "Checks of new keys that found --max-keys reached.", stats.keys_full);
  text.gauge("flint_storage_up", "1 when the storage accepts changes, 0 when it has failed.",
             std::uint64_t{stats.failed ? 0U : 1U});
  text.gauge("flint_storage_degraded", "1 when the operator should look at what flint doctor says, else 0.",
             std::uint64_t{stats.degraded ? 1U : 0U});
  text.gauge("flint_storage_waits_for_room",
             "1 while the disk has had no room for the log since the server started there, else 0.",
             std::uint64_t{stats.waits_for_room ? 1U : 0U});
  text.gauge("flint_log_bytes", "Size of the records in the log that are newer than the snapshot.", stats.log_bytes);
  text.gauge("flint_snapshot_bytes", "Size of the newest snapshot, 0 when there is none.", stats.snapshot_bytes);
  text.gauge("flint_unsynced_records", "Records in the log that are not on stable storage yet.",
             stats.last_seq - std::min(stats.last_seq, stats.durable_seq));
  text.gauge("flint_oldest_unsynced_seconds",
             "Age of the oldest event that is not yet on stable storage; 0 if there is none.",
             std::chrono::duration<double>(stats.oldest_unsynced).count());
  text.counter("flint_compactions_total", "Snapshots written since the server started.", stats.compactions);
  text.seconds("flint_fsync_duration_seconds", "How long the sync of a group commit takes.", stats.sync_nanos);
  text.histogram("flint_commit_records", "Records that one group commit makes durable.", stats.sync_records);
}

}  // namespace

std::uint64_t Monitor::answers() const noexcept {
  std::uint64_t sum = 0;
  for (const Traffic& loop : loops_) {
    for (std::size_t status = 1; status <= Traffic::kClasses; ++status) sum += loop.answers(status);
  }
  return sum;
}

bool Monitor::has(std::string_view path) noexcept { return path == kMetricsPath || is_public(path); }

bool Monitor::is_public(std::string_view path) noexcept { return path == kLivePath || path == kReadyPath; }

api::Service::Route Monitor::route(api::Method method) {
  api::Service::Route route;
  route.roles = {.check = false, .metrics = true};
  if (method == api::Method::kGet) return route;
  route.error = api::error_response(405, "method_not_allowed", "This path does not accept this method.");
  route.error.fields = "Allow: GET, HEAD\r\n";
  return route;
}

api::Response Monitor::handle(const api::Request& request) const {
  if (Status status = takes_nothing(request); !status.ok()) return api::failure_response(status);
  if (request.path == kLivePath) return word(200, "ok");
  return request.path == kReadyPath ? ready() : metrics();
}

/// Not ready while draining, so that a load balancer sends new requests elsewhere before the sockets close. A full disk
/// is not a reason: reads and denials are still answered.
api::Response Monitor::ready() const {
  if (!backend_.health().ok()) return word(503, "failed");
  return draining_.load(std::memory_order_relaxed) ? word(503, "draining") : word(200, "ok");
}

api::Response Monitor::metrics() const {
  api::Response response;
  response.content_type = MetricsText::kContentType;
  response.body.reserve(kUsualMetricsBytes);
  MetricsText text(response.body);
  text.family("flint_build_info", "gauge", "The version that runs; always 1.");
  text.sample("flint_build_info", fmt::format("version=\"{}\"", version()), 1);
  const std::chrono::duration<double> started_at = started_at_.time_since_epoch();
  text.gauge("process_start_time_seconds", "When the server started, in seconds since 1970.", started_at.count());
  write_limiter(text, backend_.stats());

  Histogram check_nanos;
  for (const Traffic& loop : loops_) add(check_nanos, loop.check_nanos());
  text.seconds("flint_check_duration_seconds",
               "Time from reading a check to writing its answer, which in sync mode always waits until it is durable.",
               check_nanos);
  text.family("flint_http_responses_total", "counter", "Answers by the class of their status.");
  for (std::size_t status = 2; status <= Traffic::kClasses; ++status) {
    std::uint64_t answers = 0;
    for (const Traffic& loop : loops_) answers += loop.answers(status);
    text.sample("flint_http_responses_total", fmt::format("status=\"{}xx\"", status), answers);
  }
  text.gauge("flint_connections", "Open connections.", std::uint64_t{connections_()});
  return response;
}

}  // namespace flint::http
