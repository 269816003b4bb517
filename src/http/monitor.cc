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

void write_rules(MetricsText& text, const Stats& stats) {
  text.family("flint_rule_decisions_total", "counter",
              "Decisions since the server started, by outcome and by the rule that made them: a pattern, exact for "
              "limits of their keys, carried for limits that came with checks, other for further patterns.");
  const auto sample = [&](const RuleStats& rule, std::string_view outcome, std::uint64_t count) {
    const std::string labels = MetricsText::label("rule", rule.rule) + "," + MetricsText::label("outcome", outcome);
    text.sample("flint_rule_decisions_total", labels, count);
  };
  for (const RuleStats& rule : stats.rules) {
    sample(rule, "allowed", rule.allowed);
    sample(rule, "denied", rule.denied);
    sample(rule, "would_deny", rule.would_deny);
  }
  text.family("flint_rule_keys", "gauge", "Keys that have usage under a pattern.");
  for (const RuleStats& rule : stats.rules) {
    if (rule.keys) text.sample("flint_rule_keys", MetricsText::label("rule", rule.rule), *rule.keys);
  }
  text.family("flint_rule_forgotten_keys_total", "counter", "Keys that were forgotten, by their rule.");
  for (const RuleStats& rule : stats.rules) {
    if (rule.rule == kExactRules) continue;
    text.sample("flint_rule_forgotten_keys_total", MetricsText::label("rule", rule.rule), rule.forgotten_keys);
  }
}

/// Not since the server started: these add up what is known of keys that no listing shows any more.
void write_forgotten(MetricsText& text, const ForgottenTotals& totals) {
  text.family("flint_forgotten_carried_decisions_total", "counter",
              "Decisions about keys of carried limits that are forgotten, over all times.");
  text.sample("flint_forgotten_carried_decisions_total", "outcome=\"allowed\"", totals.allowed);
  text.sample("flint_forgotten_carried_decisions_total", "outcome=\"denied\"", totals.denied);
  text.sample("flint_forgotten_carried_decisions_total", "outcome=\"would_deny\"", totals.would_deny);
  text.family("flint_forgotten_carried_cost_total", "counter", "Units of these decisions.");
  text.sample("flint_forgotten_carried_cost_total", "outcome=\"allowed\"", totals.allowed_cost);
  text.sample("flint_forgotten_carried_cost_total", "outcome=\"denied\"", totals.denied_cost);
}

void write_top_denied(MetricsText& text, const std::vector<LimitStatus>& top) {
  text.family("flint_top_denied", "gauge", "Denials of the keys that have the most, since they came to life.");
  for (const LimitStatus& key : top) {
    text.sample("flint_top_denied", MetricsText::label("key", key.key), key.total_denied);
  }
}

void write_limiter(MetricsText& text, const Stats& stats) {
  text.family("flint_decisions_total", "counter", "Decisions since the server started, by outcome.");
  text.sample("flint_decisions_total", "outcome=\"allowed\"", stats.allowed);
  text.sample("flint_decisions_total", "outcome=\"denied\"", stats.denied);
  write_rules(text, stats);
  write_forgotten(text, stats.forgotten_carried);
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

Histogram Monitor::check_nanos() const {
  Histogram sum;
  for (const Traffic& loop : loops_) add(sum, loop.check_nanos());
  return sum;
}

bool Monitor::has(std::string_view path) noexcept { return path == kMetricsPath || is_public(path); }

bool Monitor::is_public(std::string_view path) noexcept { return path == kLivePath || path == kReadyPath; }

/// To find the keys with the most denials takes a look at every key.
api::Service::Route Monitor::route(api::Method method, std::string_view path) const {
  api::Service::Route route;
  if (path == kMetricsPath && top_denied_ > 0) route.effect = api::Effect::kScans;
  route.roles = {.check = false, .metrics = true};
  if (method == api::Method::kGet) return route;
  route.error = api::error_response(405, "method_not_allowed", "This path does not accept this method.");
  route.error->fields = "Allow: GET, HEAD\r\n";
  return route;
}

api::Response Monitor::handle(const api::Request& request) const {
  if (Status status = takes_nothing(request); !status.ok()) return api::failure_response(status);
  if (request.path == kLivePath) return word(200, "ok");
  return request.path == kReadyPath ? ready() : metrics();
}

void Monitor::run(const api::Request& request, std::function<void(api::Response)> done) const {
  if (Status status = takes_nothing(request); !status.ok()) return done(api::failure_response(status));
  backend_.run(backend::Top{TopBy::kDenied, top_denied_},
               [this, done = std::move(done)](const backend::Answer& answer) {
                 api::Response response = metrics();
                 const auto* top = std::get_if<std::vector<LimitStatus>>(&answer);
                 MetricsText text(response.body);
                 if (top != nullptr) write_top_denied(text, *top);
                 done(std::move(response));
               });
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

  text.seconds("flint_check_duration_seconds",
               "Time from reading a check to writing its answer, which in sync mode always waits until it is durable.",
               check_nanos());
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
