#include "http/sample.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <string_view>

#include "base/json_writer.h"

namespace flint::http {
namespace {

using base::JsonWriter;

/// What was counted between two readings. A number that went back was begun anew.
std::uint64_t since(std::uint64_t before, std::uint64_t now) { return now >= before ? now - before : now; }

Histogram since(const Histogram& before, Histogram now) {
  if (before.buckets.size() != now.buckets.size()) return now;
  for (std::size_t i = 0; i < now.buckets.size(); ++i) {
    now.buckets[i].count = since(before.buckets[i].count, now.buckets[i].count);
  }
  now.above = since(before.above, now.above);
  now.sum = since(before.sum, now.sum);
  return now;
}

/// The value that a share of all are at most; between the bounds of its bucket, as if that were evenly filled. Nothing
/// where there is no value. Of those above the last bound, that bound is told.
std::optional<std::uint64_t> quantile(const Histogram& values, double share) {
  const std::uint64_t count = values.count();
  if (count == 0) return std::nullopt;
  const double rank = share * static_cast<double>(count);
  double below = 0;
  std::uint64_t bound = 0;
  for (const Histogram::Bucket& bucket : values.buckets) {
    const auto here = static_cast<double>(bucket.count);
    if (below + here >= rank && here > 0) {
      const auto width = static_cast<double>(bucket.at_most - bound);
      return bound + static_cast<std::uint64_t>(std::llround(width * (rank - below) / here));
    }
    below += here;
    bound = bucket.at_most;
  }
  return bound;
}

/// Of this process; nothing where /proc does not tell.
std::optional<std::uint64_t> resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t whole = 0;
  std::uint64_t resident = 0;
  if (!(file >> whole >> resident)) return std::nullopt;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

/// Whole units a second: a rate below one shows in the counts of several samples.
class Rates {
 public:
  explicit Rates(std::chrono::duration<double> took) : seconds_(std::max(took.count(), 1e-3)) {}
  [[nodiscard]] std::uint64_t of(std::uint64_t before, std::uint64_t now) const {
    return static_cast<std::uint64_t>(std::llround(static_cast<double>(since(before, now)) / seconds_));
  }

 private:
  double seconds_;
};

/// Of Stats and of RuleStats, which count decisions alike.
template <typename Counts>
void write_decisions(JsonWriter& json, const Counts& before, const Counts& now, const Rates& rates) {
  json.member<"allowed">(now.allowed);
  json.member<"denied">(now.denied);
  json.member<"would_deny">(now.would_deny);
  json.member<"allowed_per_second">(rates.of(before.allowed, now.allowed));
  json.member<"denied_per_second">(rates.of(before.denied, now.denied));
  json.member<"would_deny_per_second">(rates.of(before.would_deny, now.would_deny));
}

void write_rules(JsonWriter& json, const Stats& before, const Stats& now, const Rates& rates) {
  std::map<std::string_view, const RuleStats*> known;
  for (const RuleStats& rule : before.rules) known.emplace(rule.rule, &rule);
  json.name<"rules">();
  json.begin_array();
  for (const RuleStats& rule : now.rules) {
    const auto found = known.find(rule.rule);
    json.begin_object();
    json.member<"rule">(rule.rule);
    write_decisions(json, found == known.end() ? RuleStats{} : *found->second, rule, rates);
    json.member<"keys">(rule.keys);
    json.end_object();
  }
  json.end_array();
}

constexpr std::uint64_t kNanosInMicro = 1000;

std::optional<std::uint64_t> micros(std::optional<std::uint64_t> nanos) {
  return nanos ? std::optional(*nanos / kNanosInMicro) : std::nullopt;
}

void write_quantiles(JsonWriter& json, const Histogram& nanos) {
  json.member<"p50_us">(micros(quantile(nanos, 0.5)));
  json.member<"p99_us">(micros(quantile(nanos, 0.99)));
}

void write_storage(JsonWriter& json, const Stats& before, const Stats& now, const Rates& rates) {
  json.name<"storage">();
  json.begin_object();
  json.member<"accepts_changes">(!now.failed);
  json.member<"degraded">(now.degraded);
  json.member<"waits_for_room">(now.waits_for_room);
  json.member<"log_bytes">(now.log_bytes);
  json.member<"snapshot_bytes">(now.snapshot_bytes);
  json.member<"unsynced_records">(now.last_seq - std::min(now.last_seq, now.durable_seq));
  json.member<"oldest_unsynced_ms">(
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now.oldest_unsynced).count()));
  const Histogram syncs = since(before.sync_nanos, now.sync_nanos);
  json.member<"syncs_per_second">(rates.of(0, syncs.count()));
  json.name<"sync">();
  json.begin_object();
  write_quantiles(json, syncs);
  json.end_object();
  const Histogram records = since(before.sync_records, now.sync_records);
  json.member<"records_per_sync">(records.count() == 0 ? std::nullopt : std::optional(records.sum / records.count()));
  json.member<"compactions">(now.compactions);
  json.end_object();
}

}  // namespace

Sampler::Sampler(backend::Backend& backend, const Monitor& monitor)
    : backend_(backend), monitor_(monitor), last_(read()) {}

Sampler::Reading Sampler::read() const {
  return {.at = std::chrono::steady_clock::now(), .stats = backend_.stats(), .check_nanos = monitor_.check_nanos()};
}

std::string Sampler::next() {
  Reading now = read();
  const std::chrono::duration<double, std::milli> took = now.at - last_.at;
  const Rates rates(took);
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member<"at">(WallTime(std::chrono::system_clock::now()));
  json.member<"interval_ms">(static_cast<std::uint64_t>(std::llround(took.count())));
  write_decisions(json, last_.stats, now.stats, rates);
  json.name<"checks">();
  json.begin_object();
  write_quantiles(json, since(last_.check_nanos, now.check_nanos));
  json.end_object();
  write_rules(json, last_.stats, now.stats, rates);
  json.member<"keys">(now.stats.keys);
  json.member<"born_keys">(now.stats.born_keys);
  json.member<"reservations">(now.stats.reservations);
  json.member<"connections">(static_cast<std::uint64_t>(monitor_.connections()));
  json.member<"memory_bytes">(resident_bytes());
  write_storage(json, last_.stats, now.stats, rates);
  json.end_object();
  last_ = std::move(now);
  return out;
}

}  // namespace flint::http
