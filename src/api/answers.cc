#include "api/answers.h"

#include "api/errors.h"
#include "base/json_members.h"
#include "flint/version.h"

namespace flint::api {
namespace {

std::uint64_t millis(Nanos duration) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

/// What is enforced: a token bucket without a burst of its own has its rate as burst, the other algorithms have none.
void write_limit_members(JsonWriter& json, const Limit& limit) {
  json.member<"rate">(limit.rate);
  if (limit.align == Align::kNone) {
    json.member<"per_millis">(millis(limit.per));
  } else {
    json.member<"per_millis">(std::nullopt);
    json.member<"align">(align_name(limit.align));
    json.member<"timezone">(limit.timezone.empty() ? std::string_view("UTC") : std::string_view(limit.timezone));
  }
  if (limit.algorithm == Algorithm::kTokenBucket) {
    json.member<"burst">(limit.capacity());
  } else {
    json.member<"burst">(std::nullopt);
  }
  json.member<"algorithm">(algorithm_name(limit.algorithm));
}

void write(JsonWriter& json, const WindowStatus& window) {
  json.begin_object();
  write_limit_members(json, window.limit);
  json.member<"limit">(window.limit.capacity());
  json.member<"remaining">(window.remaining);
  json.member<"reset_at">(window.reset_at);
  json.member<"reset_after_ms">(window.reset_after_ms);
  json.member<"retry_after_ms">(window.retry_after_ms);
  json.end_object();
}

void write_window(JsonWriter& json, const Limit& window) {
  json.begin_object();
  write_limit_members(json, window);
  json.end_object();
}

/// Null for none.
void write_setting(JsonWriter& json, const std::optional<LimitChange::Setting>& setting) {
  if (!setting) return json.value(std::nullopt);
  json.begin_object();
  write_limit_members(json, setting->limit);
  if (!setting->limit.further.empty()) {
    json.name<"windows">();
    json.begin_array();
    Limit first = setting->limit;
    first.further.clear();
    write_window(json, first);
    for (const Limit& window : setting->limit.further) write_window(json, window);
    json.end_array();
  }
  json.member<"mode">(mode_name(setting->options.mode));
  json.member<"override">(setting->options.overrides);
  json.end_object();
}

void write(JsonWriter& json, const Finding& finding) {
  json.begin_object();
  json.member<"fatal">(finding.fatal);
  json.member<"message">(finding.message);
  json.end_object();
}

void write(JsonWriter& json, const ReservedItem& item) {
  json.begin_object();
  json.member<"key">(item.key);
  json.member<"cost">(item.cost);
  json.end_object();
}

void write(JsonWriter& json, const FileMap& file) {
  json.begin_object();
  json.member<"name">(file.name);
  json.member<"kind">(file.kind);
  json.member<"bytes">(file.bytes);
  json.member<"first_seq">(file.first_seq);
  json.member<"last_seq">(file.last_seq);
  json.member<"records">(file.records);
  json.member<"valid_bytes">(file.valid_bytes);
  json.end_object();
}

// Those of the header: the writer's own folder, where they would be looked for otherwise, knows none of them.
using api::write;

/// Of an event: the rules alone.
void write_windows(JsonWriter& json, const Limit& limit) {
  json.name<"windows">();
  json.begin_array();
  for (std::size_t i = 0; i < limit.window_count(); ++i) {
    json.begin_object();
    write_limit_members(json, limit.window(i));
    json.end_object();
  }
  json.end_array();
}

template <base::MemberName kName, typename Values>
void write_array(JsonWriter& json, const Values& values) {
  json.name<kName>();
  json.begin_array();
  for (const auto& value : values) write(json, value);
  json.end_array();
}

void write_members(JsonWriter& json, const CheckAllResult& result) {
  json.member<"allowed">(result.allowed);
  json.member<"denied_key">(result.denied_key);
  write_array<"results">(json, result.results);
}

}  // namespace

void write(JsonWriter& json, const Decision& decision) {
  json.begin_object();
  json.member<"key">(decision.key);
  base::JsonMembers<384> members;
  members.member<"allowed">(decision.allowed);
  members.member<"cost">(decision.cost);
  members.member<"limit">(decision.capacity);
  members.member<"remaining">(decision.remaining);
  members.member<"reset_at">(decision.reset_at);
  members.member<"reset_after_ms">(decision.reset_after_ms);
  members.member<"retry_after_ms">(decision.retry_after_ms);
  members.member<"algorithm">(algorithm_name(decision.algorithm));
  json.members(members.text());
  if (decision.keys_full) {
    json.member<"code">("keys_full");
    json.member<"degraded">(decision.allowed);
  } else if (const std::string_view timezone = decision.unknown_timezone(); !timezone.empty()) {
    json.member<"code">("unknown_timezone");
    json.member<"message">(
        "the time zone \"" + std::string(timezone) +
        "\" of this limit is not known on this machine: install its zone data (tzdata), or change the "
        "limit.");
  }
  if (decision.would_deny) json.member<"would_deny">(*decision.would_deny);
  if (!decision.windows().empty()) write_array<"windows">(json, decision.windows());
  json.end_object();
}

void write(JsonWriter& json, const CheckAllResult& result) {
  json.begin_object();
  write_members(json, result);
  json.end_object();
}

void write(JsonWriter& json, const ReserveResult& result) {
  json.begin_object();
  write_members(json, result.decision);
  if (result.allowed()) {
    json.member<"reservation">(result.id);
  } else {
    json.member<"reservation">(std::nullopt);
  }
  json.member<"expires_at">(result.expires_at);
  json.end_object();
}

void write(JsonWriter& json, const Settlement& settlement) {
  json.begin_object();
  json.member<"ok">(true);
  write_array<"results">(json, settlement.results);
  json.end_object();
}

void write(JsonWriter& json, const ReservationStatus& status) {
  json.begin_object();
  json.member<"reservation">(status.id);
  json.member<"state">(reservation_state_name(status.state));
  write_array<"items">(json, status.items);
  json.member<"reserved_at">(status.reserved_at);
  json.member<"expires_at">(status.expires_at);
  json.member<"on_expiry">(on_expiry_name(status.on_expiry));
  json.member<"settled_at">(status.settled_at);
  json.end_object();
}

void write(JsonWriter& json, const backend::BatchResult& results) {
  json.begin_object();
  json.name<"results">();
  json.begin_array();
  for (const Result<Decision>& result : results) {
    if (result.ok()) {
      write(json, *result);
    } else {
      write_failure(json, result.status());
    }
  }
  json.end_array();
  json.end_object();
}

void write(JsonWriter& json, const LimitStatus& status) {
  json.begin_object();
  json.member<"key">(status.key);
  write_limit_members(json, status.limit);
  json.member<"source">(source_name(status.source));
  if (!status.pattern.empty()) json.member<"pattern">(status.pattern);
  json.member<"mode">(mode_name(status.mode));
  if (status.keys) {
    json.member<"override">(status.overrides);
    json.member<"keys">(*status.keys);
  }
  json.member<"remaining">(status.remaining);
  json.member<"reset_at">(status.reset_at);
  if (!status.windows.empty()) write_array<"windows">(json, status.windows);
  json.member<"total_allowed">(status.total_allowed);
  json.member<"total_denied">(status.total_denied);
  json.member<"total_allowed_cost">(status.total_allowed_cost);
  json.member<"total_denied_cost">(status.total_denied_cost);
  json.member<"would_deny">(status.would_deny);
  json.member<"reserved">(status.reserved);
  json.member<"last_allowed_at">(status.last_allowed_at);
  json.member<"last_denied_at">(status.last_denied_at);
  json.member<"last_reset_at">(status.last_reset_at);
  json.end_object();
}

void write(JsonWriter& json, const LimitChanges& changes) {
  json.begin_object();
  json.name<"changes">();
  json.begin_array();
  for (const LimitChange& change : changes.changes) {
    json.begin_object();
    json.member<"key">(change.key);
    json.name<"before">();
    write_setting(json, change.before);
    json.name<"after">();
    write_setting(json, change.after);
    json.end_object();
  }
  json.end_array();
  json.member<"unchanged">(changes.unchanged);
  json.end_object();
}

void write(JsonWriter& json, const Event& event) {
  json.begin_object();
  json.member<"seq">(event.seq);
  json.member<"at">(event.at);
  json.member<"kind">(event_kind_name(event.kind));
  json.member<"cost">(event.cost);
  json.member<"count">(event.count);
  if (event.limit) {
    write_limit_members(json, *event.limit);
    json.member<"mode">(mode_name(event.mode));
    if (!event.limit->further.empty()) write_windows(json, *event.limit);
  }
  json.end_object();
}

void write(JsonWriter& json, const DoctorReport& report) {
  json.begin_object();
  json.member<"ok">(report.ok);
  json.member<"data_dir">(report.data_dir);
  json.member<"limits">(report.limits);
  json.member<"aof_bytes">(report.log_bytes);
  json.member<"snapshot_exists">(report.snapshot_exists);
  json.member<"snapshot_bytes">(report.snapshot_bytes);
  json.member<"last_seq">(report.last_seq);
  json.member<"durable_seq">(report.durable_seq);
  json.member<"failed">(report.failed);
  json.member<"degraded">(report.degraded);
  write_array<"findings">(json, report.findings);
  write_array<"files">(json, report.files);
  json.end_object();
}

void write(JsonWriter& json, const backend::Health& health) {
  json.begin_object();
  json.member<"ok">(true);
  json.member<"version">(version());
  if (const std::optional<backend::Serving>& serving = health.serving) {
    json.member<"pid">(static_cast<std::uint64_t>(serving->process_id));
    json.name<"options">();
    json.begin_object();
    json.member<"sync">(serving->sync == SyncMode::kAlways ? "always" : "batch");
    json.member<"flush_every_ms">(static_cast<std::uint64_t>(serving->flush_every.count()));
    json.member<"flush_every_events">(serving->flush_every_events);
    json.member<"max_unsynced_ms">(static_cast<std::uint64_t>(serving->max_unsynced.count()));
    json.member<"max_keys">(serving->max_keys);
    json.member<"on_full">(serving->on_full == OnFull::kDeny ? "deny" : "allow");
    std::optional<std::uint64_t> idle;
    if (serving->exit_when_idle) idle = static_cast<std::uint64_t>(serving->exit_when_idle->count());
    json.member<"exit_when_idle_ms">(idle);
    json.end_object();
  }
  json.end_object();
}

}  // namespace flint::api
