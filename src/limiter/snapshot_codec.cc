#include "limiter/snapshot_codec.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "base/coding.h"

namespace flint::limiter {
namespace {

using algorithm::SlidingLog;

constexpr std::size_t kRunsInEntry = 1024;
static_assert(16 + kRunsInEntry * SlidingLog::kMaxRunBytes <= kMaxEntryBytes, "an entry of runs fits");
// Type, id, sequence number, key, limit, counters, times, state.
static_assert(1 + 5 + 10 + 2 + kMaxKeyBytes + 4 * 10 + 4 * 10 + 3 * 8 + 1 + 3 * 10 < kMaxEntryBytes);

constexpr std::uint8_t kHasLastAllowed = 1;
constexpr std::uint8_t kHasLastDenied = 2;
constexpr std::uint8_t kHasLastReset = 4;

void write_time(base::Writer& out, MaybeTime time) {
  if (time.has_value()) out.fixed((*time).time_since_epoch().count());
}

void write_counters(base::Writer& out, const Counters& counters) {
  // What is read back is at most this; one who writes a log by hand can have it counted beyond.
  out.varint(std::min(counters.allowed, kMaxCounted));
  out.varint(counters.allowed_cost);
  out.varint(std::min(counters.denied, kMaxCounted));
  out.varint(counters.denied_cost);
  out.fixed(static_cast<std::uint8_t>((counters.last_allowed_at.has_value() ? kHasLastAllowed : 0) |
                                      (counters.last_denied_at.has_value() ? kHasLastDenied : 0) |
                                      (counters.last_reset_at.has_value() ? kHasLastReset : 0)));
  write_time(out, counters.last_allowed_at);
  write_time(out, counters.last_denied_at);
  write_time(out, counters.last_reset_at);
}

/// False for a time that no limiter shows.
bool read_time(base::Reader& in, bool present, MaybeTime& time) {
  if (!present) return true;
  const WallTime read(Nanos(in.fixed<std::int64_t>()));
  time = read;
  return is_wall_time(read);
}

bool read_counters(base::Reader& in, Counters& counters) {
  counters.allowed = in.varint();
  counters.allowed_cost = in.varint();
  counters.denied = in.varint();
  counters.denied_cost = in.varint();
  const auto present = in.fixed<std::uint8_t>();
  return read_time(in, (present & kHasLastAllowed) != 0, counters.last_allowed_at) &&
         read_time(in, (present & kHasLastDenied) != 0, counters.last_denied_at) &&
         read_time(in, (present & kHasLastReset) != 0, counters.last_reset_at) && in.ok() &&
         present <= (kHasLastAllowed | kHasLastDenied | kHasLastReset) && counters.allowed <= kMaxCounted &&
         counters.denied <= kMaxCounted;
}

Time read_limiter_time(base::Reader& in) { return Time(Nanos(in.fixed<std::int64_t>())); }

bool read_meta(base::Reader& in, SnapshotTime& time) {
  time.at_position.last = read_limiter_time(in);
  time.newest = std::max(time.newest, time.at_position.last);
  return in.done() && algorithm::is_limiter_time(time.at_position.last);
}

bool read_clock(base::Reader& in, PersistedTime& time) {
  const std::uint64_t ahead = in.varint();
  time.anchored_at = read_limiter_time(in);
  if (!in.ok() || ahead > static_cast<std::uint64_t>(kMaxTime.time_since_epoch().count())) return false;
  time.ahead = Nanos(static_cast<std::int64_t>(ahead));
  return algorithm::is_limiter_time(time.anchored_at) && read_boot_time(in, time.anchor);
}

bool read_key(base::Reader& in, Limits& limits, Keys& keys, SnapshotTime& time) {
  const std::uint64_t id = in.varint();
  const std::uint64_t last_seq = in.varint();
  const std::string_view key = in.text();
  if (!in.ok() || id != keys.next_id() || keys.full() || !validate_key(key).ok()) return false;
  const auto [entry, is_new] = keys.find_or_add(key);
  Limit limit;
  const auto algorithm = static_cast<Algorithm>(in.fixed<std::uint8_t>());
  if (!is_new || !read_limit(in, algorithm, limit) || !read_counters(in, entry->counters)) return false;
  if (!algorithm::decode(in, limit, entry->usage.state) || !in.done()) return false;
  entry->usage.rule = limits.rule(limit);
  entry->last_seq = last_seq;
  time.newest = algorithm::seen(entry->usage.state, time.newest);
  return true;
}

bool read_runs(base::Reader& in, Keys& keys, SnapshotTime& time) {
  const std::uint64_t id = in.varint();
  if (!in.ok() || keys.next_id() == 0 || id != keys.next_id() - 1) return false;
  KeyEntry& entry = *keys.find(static_cast<KeyId>(id));
  auto* log = std::get_if<SlidingLog>(&entry.usage.state);
  if (log == nullptr || !log->decode_runs(in, entry.limit().per)) return false;
  time.newest = log->seen(time.newest);
  return true;
}

}  // namespace

void EntryBuffer::clear() noexcept {
  bytes_.clear();
  ends_.clear();
}

void EntryBuffer::add(std::span<const std::byte> entry) {
  bytes_.insert(bytes_.end(), entry.begin(), entry.end());
  ends_.push_back(bytes_.size());
}

void EntryBuffer::add_time(const PersistedTime& time) {
  std::array<std::byte, 64> buffer;
  base::Writer meta(buffer);
  meta.fixed(static_cast<std::uint8_t>(EntryType::kMeta));
  meta.fixed(time.last.time_since_epoch().count());
  add(meta.written());
  if (time.ahead == Nanos(0) && !time.anchor.known()) return;
  base::Writer clock(buffer);
  clock.fixed(static_cast<std::uint8_t>(EntryType::kClock));
  clock.varint(static_cast<std::uint64_t>(time.ahead.count()));
  clock.fixed(time.anchored_at.time_since_epoch().count());
  write_boot_time(clock, time.anchor);
  add(clock.written());
}

void EntryBuffer::add_key(const KeyEntry& entry) {
  add_key_alone(entry);
  if (const auto* log = std::get_if<SlidingLog>(&entry.usage.state)) add_runs(entry.id, *log);
}

void EntryBuffer::add_key_alone(const KeyEntry& entry) {
  std::array<std::byte, 1024> buffer;
  base::Writer out(buffer);
  out.fixed(static_cast<std::uint8_t>(EntryType::kKey));
  out.varint(entry.id);
  out.varint(entry.last_seq);
  out.text(entry.key);
  out.fixed(static_cast<std::uint8_t>(entry.limit().algorithm));
  write_limit(out, entry.limit());
  write_counters(out, entry.counters);
  algorithm::encode(out, entry.usage.state);
  FLINT_ASSERT(out.ok());
  add(out.written());
}

void EntryBuffer::add_runs(KeyId id, const SlidingLog& log) {
  std::array<std::byte, kMaxEntryBytes> buffer;
  for (std::size_t begin = 0; begin < log.size(); begin += kRunsInEntry) {
    base::Writer out(buffer);
    out.fixed(static_cast<std::uint8_t>(EntryType::kRuns));
    out.varint(id);
    log.encode_runs(out, begin, std::min(begin + kRunsInEntry, log.size()));
    FLINT_ASSERT(out.ok());
    add(out.written());
  }
}

bool load_entry(std::span<const std::byte> entry, Limits& limits, Keys& keys, SnapshotTime& time) {
  base::Reader in(entry);
  switch (static_cast<EntryType>(in.fixed<std::uint8_t>())) {
    case EntryType::kMeta:
      return keys.size() == 0 && read_meta(in, time);
    case EntryType::kKey:
      return read_key(in, limits, keys, time);
    case EntryType::kRuns:
      return read_runs(in, keys, time);
    case EntryType::kClock:
      return keys.size() == 0 && read_clock(in, time.at_position) && in.done();
  }
  return false;
}

}  // namespace flint::limiter
