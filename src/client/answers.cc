#include "client/answers.h"

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <utility>

namespace flint::client {
namespace {

constexpr std::array kSources = {Source::kSet, Source::kPattern, Source::kCarried, Source::kFile};
constexpr std::array kEventKinds = {EventKind::kConfigured, EventKind::kAllowed,   EventKind::kDenied,
                                    EventKind::kReset,      EventKind::kWouldDeny, EventKind::kCharged,
                                    EventKind::kReserved,   EventKind::kSettled,   EventKind::kExpired};

constexpr std::array kStates = {ReservationState::kHeld, ReservationState::kCommitted, ReservationState::kCancelled,
                                ReservationState::kExpired};

std::optional<Algorithm> algorithm_of(std::string_view name) { return parse_algorithm(name); }
std::optional<Align> align_of(std::string_view name) { return parse_align(name); }
std::optional<Mode> mode_of(std::string_view name) { return parse_mode(name); }

std::optional<Source> source_of(std::string_view name) {
  for (const Source source : kSources) {
    if (source_name(source) == name) return source;
  }
  return std::nullopt;
}

std::optional<EventKind> event_kind_of(std::string_view name) {
  for (const EventKind kind : kEventKinds) {
    if (event_kind_name(kind) == name) return kind;
  }
  return std::nullopt;
}

std::optional<OnExpiry> on_expiry_of(std::string_view name) { return parse_on_expiry(name); }

std::optional<ReservationState> state_of(std::string_view name) {
  for (const ReservationState state : kStates) {
    if (reservation_state_name(state) == name) return state;
  }
  return std::nullopt;
}

std::optional<Code> code_of(std::string_view name) {
  for (Code code = Code::kInvalidArgument; code <= Code::kReservationsFull;
       code = static_cast<Code>(static_cast<std::uint8_t>(code) + 1)) {
    if (code_name(code) == name) return code;
  }
  return std::nullopt;
}

/// One window. What the server adds of its own, a bucket's burst that is its rate and the zone UTC, is left out again.
Limit read_rule(Fields& fields) {
  Limit limit;
  limit.rate = fields.count("rate");
  const std::optional<std::uint64_t> millis = fields.count_or_null("per_millis");
  fields.expect(!millis || *millis <= static_cast<std::uint64_t>(kMaxPeriod / std::chrono::milliseconds(1)));
  if (fields.ok() && millis) limit.per = std::chrono::milliseconds(*millis);
  if (!millis) {
    limit.align = fields.named("align", align_of);
    limit.timezone = fields.text("timezone");
    if (limit.timezone == "UTC") limit.timezone.clear();
  }
  limit.algorithm = fields.named("algorithm", algorithm_of);
  const std::optional<std::uint64_t> burst = fields.count_or_null("burst");
  if (burst && *burst != limit.rate) limit.burst = burst;
  return limit;
}

bool read_window(const json::value& value, WindowStatus* window) {
  Fields fields(value);
  window->limit = read_rule(fields);
  window->remaining = fields.count("remaining");
  window->reset_at = fields.time("reset_at");
  window->reset_after_ms = fields.count("reset_after_ms");
  window->retry_after_ms = fields.count("retry_after_ms");
  return fields.ok();
}

bool read_reserved_item(const json::value& value, ReservedItem* item) {
  Fields fields(value);
  item->key = fields.text("key");
  item->cost = fields.count("cost");
  return fields.ok();
}

bool read_plain_window(const json::value& value, Limit* window) {
  Fields fields(value);
  *window = read_rule(fields);
  return fields.ok();
}

/// `the time zone "X" of this limit ...`: no other field names it.
std::string between_quotes(const std::string& message) {
  const std::size_t begin = message.find('"');
  const std::size_t end = begin == std::string::npos ? begin : message.find('"', begin + 1);
  return end == std::string::npos ? message : message.substr(begin + 1, end - begin - 1);
}

void read_details(Fields& fields, Decision* decision) {
  const std::string code = fields.has("code") ? fields.text("code") : std::string();
  decision->keys_full = code == "keys_full";
  if (code != "unknown_timezone" && !fields.has("windows")) return;
  auto details = std::make_shared<DecisionDetails>();
  if (code == "unknown_timezone") details->unknown_timezone = between_quotes(fields.text("message"));
  if (fields.has("windows")) details->windows = fields.array<WindowStatus>("windows", read_window);
  decision->details = std::move(details);
}

void read_totals(Fields& fields, LimitStatus* status) {
  status->total_allowed = fields.count("total_allowed");
  status->total_denied = fields.count("total_denied");
  status->total_allowed_cost = fields.count("total_allowed_cost");
  status->total_denied_cost = fields.count("total_denied_cost");
  status->would_deny = fields.count("would_deny");
  // Servers before 0.2 know no reservations.
  if (fields.has("reserved")) status->reserved = fields.count("reserved");
  status->last_allowed_at = fields.time_or_null("last_allowed_at");
  status->last_denied_at = fields.time_or_null("last_denied_at");
  status->last_reset_at = fields.time_or_null("last_reset_at");
}

}  // namespace

bool read(const json::value& value, Decision* decision) {
  Fields fields(value);
  decision->key = fields.text("key");
  decision->allowed = fields.truth("allowed");
  decision->cost = fields.count("cost");
  decision->capacity = fields.count("limit");
  decision->remaining = fields.count("remaining");
  decision->reset_at = fields.time("reset_at");
  decision->reset_after_ms = fields.count("reset_after_ms");
  decision->retry_after_ms = fields.count_or_null("retry_after_ms");
  decision->algorithm = fields.named("algorithm", algorithm_of);
  if (fields.has("would_deny")) decision->would_deny = fields.truth("would_deny");
  read_details(fields, decision);
  return fields.ok();
}

bool read(const json::value& value, CheckAllResult* result) {
  Fields fields(value);
  result->allowed = fields.truth("allowed");
  if (fields.has("denied_key")) result->denied_key = fields.text("denied_key");
  result->results = fields.array<Decision>("results", read);
  fields.expect(result->allowed != result->denied_key.has_value());
  return fields.ok();
}

bool read(const json::value& value, ReserveResult* result) {
  if (!read(value, &result->decision)) return false;
  Fields fields(value);
  if (fields.has("reservation")) result->id = fields.text("reservation");
  result->expires_at = fields.time_or_null("expires_at");
  fields.expect(result->allowed() != result->id.empty() && result->allowed() == result->expires_at.has_value());
  return fields.ok();
}

bool read(const json::value& value, Settlement* settlement) {
  Fields fields(value);
  fields.expect(fields.truth("ok"));
  settlement->results = fields.array<Decision>("results", read);
  return fields.ok();
}

bool read(const json::value& value, ReservationStatus* status) {
  Fields fields(value);
  status->id = fields.text("reservation");
  status->state = fields.named("state", state_of);
  status->items = fields.array<ReservedItem>("items", read_reserved_item);
  status->reserved_at = fields.time("reserved_at");
  status->expires_at = fields.time("expires_at");
  status->on_expiry = fields.named("on_expiry", on_expiry_of);
  status->settled_at = fields.time_or_null("settled_at");
  return fields.ok();
}

bool read(const json::value& value, LimitStatus* status) {
  Fields fields(value);
  status->key = fields.text("key");
  status->limit = read_rule(fields);
  status->source = fields.named("source", source_of);
  if (fields.has("pattern")) status->pattern = fields.text("pattern");
  status->mode = fields.named("mode", mode_of);
  if (fields.has("keys")) {
    status->overrides = fields.truth("override");
    status->keys = fields.count("keys");
  }
  status->remaining = fields.count("remaining");
  status->reset_at = fields.time("reset_at");
  if (fields.has("windows")) status->windows = fields.array<WindowStatus>("windows", read_window);
  for (std::size_t i = 1; i < status->windows.size(); ++i) status->limit.further.push_back(status->windows[i].limit);
  read_totals(fields, status);
  return fields.ok();
}

bool read(const json::value& value, Event* event) {
  Fields fields(value);
  event->kind = fields.named("kind", event_kind_of);
  event->seq = fields.count("seq");
  event->at = fields.time("at");
  event->cost = fields.count("cost");
  event->count = fields.count("count");
  if (!fields.has("rate")) return fields.ok();
  event->limit = read_rule(fields);
  event->mode = fields.named("mode", mode_of);
  if (!fields.has("windows")) return fields.ok();
  std::vector<Limit> windows = fields.array<Limit>("windows", read_plain_window);
  if (!windows.empty()) event->limit->further.assign(windows.begin() + 1, windows.end());
  return fields.ok();
}

bool read(const json::value& value, Result<Decision>* result) {
  Fields fields(value);
  if (!fields.has("error")) return read(value, &**result);
  const Code code = code_of(fields.text("code")).value_or(Code::kUnavailable);
  *result = Status(code, fields.text("error"));
  return fields.ok();
}

bool fits(const CheckAllResult& result, std::span<const CheckItem> items) {
  const std::size_t decided = result.results.size();
  if (decided > items.size() || (result.allowed && decided != items.size())) return false;
  return std::equal(
      result.results.begin(), result.results.end(), items.begin(),
      [](const Decision& one, const CheckItem& item) { return one.key == item.key && one.cost == item.cost; });
}

std::optional<Status> refusal(const Answer& answer) {
  boost::system::error_code error;
  const json::value value = json::parse({answer.body.data(), answer.body.size()}, error);
  if (error) return std::nullopt;
  Fields fields(value);
  const std::string message = fields.text("error");
  const std::string name = fields.text("code");
  if (!fields.ok()) return std::nullopt;
  std::optional<Code> code = code_of(name);
  // These say something of the server's directory, which means something else of a limiter in this process.
  if (code == Code::kClosed || code == Code::kDataDirLocked) code = Code::kUnavailable;
  if (!code && (answer.status == 401 || answer.status == 403)) code = Code::kPermission;
  if (!code && answer.status == 404) code = Code::kNotFound;
  if (!code) code = answer.status < 500 ? Code::kInvalidArgument : Code::kUnavailable;
  return Status(*code, message);
}

}  // namespace flint::client
