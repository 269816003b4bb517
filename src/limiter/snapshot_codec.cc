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

// Of a pattern.
constexpr std::uint8_t kOverrides = 1;
constexpr unsigned kModeShift = 1;

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

/// The head of an entry of a key: makes the key. Null for what no limiter writes.
KeyEntry* read_key_head(base::Reader& in, const Loaded& loaded) {
  const std::uint64_t id = in.varint();
  const std::uint64_t last_seq = in.varint();
  const std::string_view key = in.text();
  if (!in.ok() || id < loaded.keys.end_id() || id >= kMaxKeys || !validate_key(key).ok()) return nullptr;
  KeyEntry* entry = loaded.keys.add_at(static_cast<KeyId>(id), key);
  if (entry != nullptr) entry->last_seq = last_seq;
  return entry;
}

bool read_key_counters(base::Reader& in, KeyEntry& entry) {
  Counters counters;
  if (!read_counters(in, counters)) return false;
  entry.set_counters(counters);
  return true;
}

bool read_key(base::Reader& in, const Loaded& loaded) {
  KeyEntry* entry = read_key_head(in, loaded);
  Limit limit;
  if (entry == nullptr || !read_whole_limit(in, limit) || !read_key_counters(in, *entry)) return false;
  if (!algorithm::decode(in, limit, entry->usage.state)) return false;
  Mode mode = Mode::kEnforce;
  if (in.left() > 0 && !(read_mode(in, mode) && mode != Mode::kEnforce)) return false;
  if (!in.done()) return false;
  entry->usage.rule = loaded.limits.rule(limit, mode);
  loaded.time.newest = algorithm::seen(entry->usage.state, loaded.time.newest);
  return true;
}

bool read_pattern(base::Reader& in, const Loaded& loaded) {
  KeyEntry* entry = read_key_head(in, loaded);
  if (entry == nullptr || !is_pattern(entry->key.view())) return false;
  loaded.keys.set_kind(*entry, KeyKind::kPattern);
  const std::uint64_t version = in.varint();
  const auto flags = in.fixed<std::uint8_t>();
  const bool overrides = (flags & kOverrides) != 0;
  const auto mode = static_cast<Mode>(flags >> kModeShift);
  Limit limit;
  if (!in.ok() || version == 0 || mode > Mode::kBlock || (mode != Mode::kEnforce && !overrides)) return false;
  if (!read_whole_limit(in, limit)) return false;
  entry->usage.rule = loaded.limits.version(version, limit);
  if (!entry->usage.rule.is_set() || !read_key_counters(in, *entry) || !in.done()) return false;
  entry->usage.rule.set_overrides(overrides);
  entry->usage.rule.set_mode(mode);
  loaded.patterns.add(*entry);
  return true;
}

bool read_usage(base::Reader& in, const Loaded& loaded, Usage& usage) {
  const std::uint64_t version = in.varint();
  const auto ended = in.fixed<std::uint8_t>();
  Limit limit;
  if (!in.ok() || ended > 1 || (ended == 1 && version == 0) || !read_whole_limit(in, limit)) return false;
  usage.rule = version == 0 ? loaded.limits.rule(limit) : loaded.limits.version(version, limit);
  if (!usage.rule.is_set() || !algorithm::decode(in, limit, usage.state)) return false;
  if (ended == 1) usage.rule.end();
  loaded.time.newest = algorithm::seen(usage.state, loaded.time.newest);
  return true;
}

bool read_born(base::Reader& in, const Loaded& loaded) {
  KeyEntry* entry = read_key_head(in, loaded);
  if (entry == nullptr || !read_key_counters(in, *entry)) return false;
  loaded.keys.set_kind(*entry, KeyKind::kBorn);
  std::vector<Usage> usages(in.fixed<std::uint8_t>());
  if (!in.ok() || usages.empty() || usages.size() > kMaxUsages) return false;
  for (Usage& usage : usages) {
    if (!read_usage(in, loaded, usage)) return false;
  }
  entry->set_usages(usages);
  return in.done();
}

/// `numbered`: the entry says of which usage and of which window.
bool read_runs(base::Reader& in, const Loaded& loaded, bool numbered) {
  const std::uint64_t id = in.varint();
  if (!in.ok() || loaded.keys.end_id() == 0 || id != loaded.keys.end_id() - 1) return false;
  KeyEntry* const last = loaded.keys.find(static_cast<KeyId>(id));
  if (last == nullptr) return false;
  KeyEntry& entry = *last;
  const std::size_t number = numbered ? in.fixed<std::uint8_t>() : 0;
  const std::size_t at = number % kMaxUsages;
  const std::size_t window = number / kMaxUsages;
  if (!in.ok() || entry.kind == KeyKind::kPattern || at >= entry.usages()) return false;
  Usage& usage = entry.usage_at(at);
  const bool is_numbered = entry.kind == KeyKind::kBorn || !usage.limit().further.empty();
  if (numbered != is_numbered || window >= usage.limit().window_count()) return false;
  SlidingLog* log = algorithm::log_of(usage.state, window);
  if (log == nullptr || !log->decode_runs(in, usage.limit().window(window).per)) return false;
  loaded.time.newest = log->seen(loaded.time.newest);
  return true;
}

bool read_from_file(base::Reader& in, Keys& keys) {
  const std::uint64_t id = in.varint();
  if (!in.done() || keys.end_id() == 0 || id != keys.end_id() - 1) return false;
  KeyEntry* last = keys.find(static_cast<KeyId>(id));
  if (last == nullptr || last->kind == KeyKind::kBorn || last->from_file) return false;
  last->from_file = true;
  return true;
}

bool read_gone(base::Reader& in, const Loaded& loaded) {
  do {
    const std::uint64_t id = in.varint();
    if (!in.ok() || id >= kMaxKeys || loaded.keys.find(static_cast<KeyId>(id)) != nullptr) return false;
    loaded.gone.insert(static_cast<KeyId>(id));
  } while (in.left() > 0);
  return true;
}

bool read_ids(base::Reader& in, Keys& keys) {
  const std::uint64_t end = in.varint();
  if (!in.done() || end <= keys.end_id() || end > kMaxKeys) return false;
  keys.add_free_ids(end);
  return true;
}

/// At the end, of a request that made a reservation.
bool read_reservation_number(base::Reader& in, RememberedRequest& request) {
  if (in.left() == 0) return true;
  request.reservation = in.varint();
  return in.done() && request.reservation != 0;
}

/// The id is not remembered at the request's time, which is not before that of the request before.
bool read_request_entry(base::Reader& in, const Loaded& loaded) {
  RememberedRequest request;
  request.seq = in.varint();
  request.at.time = read_limiter_time(in);
  request.at.wall = WallTime(Nanos(in.fixed<std::int64_t>()));
  if (!in.ok() || request.seq <= loaded.requests.last_seq() || !algorithm::is_limiter_time(request.at.time) ||
      request.at.time < loaded.requests.last_time() || !is_wall_time(request.at.wall) || !read_request(in, request) ||
      !read_reservation_number(in, request) || loaded.requests.find(request.id, request.at.time) != nullptr) {
    return false;
  }
  loaded.time.newest = std::max(loaded.time.newest, request.at.time);
  loaded.requests.remember(std::move(request));
  return true;
}

void write_head(base::Writer& out, EntryType type, const KeyEntry& entry) {
  out.fixed(static_cast<std::uint8_t>(type));
  out.varint(entry.id);
  out.varint(entry.last_seq);
  out.text(entry.key);
}

void write_set(base::Writer& out, const KeyEntry& entry) {
  write_head(out, EntryType::kKey, entry);
  write_whole_limit(out, entry.limit());
  write_counters(out, entry.counters());
  algorithm::encode(out, entry.usage.state);
  if (entry.usage.rule.mode() != Mode::kEnforce) out.fixed(static_cast<std::uint8_t>(entry.usage.rule.mode()));
}

void write_pattern(base::Writer& out, const KeyEntry& entry) {
  write_head(out, EntryType::kPattern, entry);
  out.varint(entry.usage.rule.version());
  out.fixed(static_cast<std::uint8_t>((entry.usage.rule.overrides() ? kOverrides : 0) |
                                      static_cast<unsigned>(entry.usage.rule.mode()) << kModeShift));
  write_whole_limit(out, entry.limit());
  write_counters(out, entry.counters());
}

void write_born(base::Writer& out, const KeyEntry& entry) {
  write_head(out, EntryType::kBorn, entry);
  write_counters(out, entry.counters());
  out.fixed(static_cast<std::uint8_t>(entry.usages()));
  entry.for_each_usage([&](const Usage& usage) {
    out.varint(usage.rule.version());
    out.fixed(static_cast<std::uint8_t>(usage.rule.has_ended() ? 1 : 0));
    write_whole_limit(out, usage.limit());
    algorithm::encode(out, usage.state);
  });
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

void EntryBuffer::add_totals(const Counters& carried) {
  if (carried == Counters{}) return;
  std::array<std::byte, 1 + kMaxCountersBytes> buffer;
  base::Writer out(buffer);
  out.fixed(static_cast<std::uint8_t>(EntryType::kTotals));
  write_counters(out, carried);
  add(out.written());
}

void EntryBuffer::add_key(const KeyEntry& entry) {
  add_key_alone(entry);
  entry.for_each_window([&](const Usage& usage, std::size_t at, std::size_t window) {
    const SlidingLog* log = algorithm::log_of(usage.state, window);
    if (log != nullptr) add_runs({entry.id, entry.kind, usage.limit().window_count(), at, window}, *log);
  });
}

void EntryBuffer::add_key_alone(const KeyEntry& entry) {
  std::array<std::byte, 8192> buffer;
  static_assert(2 + kMaxKeyBytes + 32 + kMaxCountersBytes + kMaxUsages * (1 + kMaxUsageBytes) < sizeof(buffer));
  base::Writer out(buffer);
  switch (entry.kind) {
    case KeyKind::kSet:
      write_set(out, entry);
      break;
    case KeyKind::kPattern:
      write_pattern(out, entry);
      break;
    case KeyKind::kBorn:
      write_born(out, entry);
  }
  FLINT_ASSERT(out.ok());
  add(out.written());
  if (entry.held() != nullptr && !entry.held()->empty()) add_held(entry);
  if (!entry.from_file) return;
  out = base::Writer(buffer);
  out.fixed(static_cast<std::uint8_t>(EntryType::kFromFile));
  out.varint(entry.id);
  add(out.written());
}

void EntryBuffer::add_runs(KeyId id, KeyKind kind, const CopiedRuns& copied) {
  for (const CopiedRuns::Log& log : copied.logs) {
    add_runs({id, kind, log.limit.window_count(), log.usage, log.window}, log.runs);
  }
}

void EntryBuffer::add_runs(const RunsOf& of, const SlidingLog& log) {
  const bool numbered = of.kind == KeyKind::kBorn || of.windows > 1;
  std::array<std::byte, kMaxEntryBytes> buffer;
  for (std::size_t begin = 0; begin < log.size(); begin += kRunsInEntry) {
    base::Writer out(buffer);
    out.fixed(static_cast<std::uint8_t>(numbered ? EntryType::kUsageRuns : EntryType::kRuns));
    out.varint(of.id);
    if (numbered) out.fixed(static_cast<std::uint8_t>(of.window * kMaxUsages + of.usage));
    log.encode_runs(out, begin, std::min(begin + kRunsInEntry, log.size()));
    FLINT_ASSERT(out.ok());
    add(out.written());
  }
}

void EntryBuffer::add_gone(std::span<const KeyId> ids) {
  std::array<std::byte, kMaxEntryBytes> buffer;
  for (; !ids.empty(); ids = ids.subspan(std::min(ids.size(), kRunsInEntry))) {
    base::Writer out(buffer);
    out.fixed(static_cast<std::uint8_t>(EntryType::kGone));
    for (const KeyId id : ids.first(std::min(ids.size(), kRunsInEntry))) out.varint(id);
    FLINT_ASSERT(out.ok());
    add(out.written());
  }
}

void EntryBuffer::add_ids(KeyId end) {
  std::array<std::byte, 16> buffer;
  base::Writer out(buffer);
  out.fixed(static_cast<std::uint8_t>(EntryType::kIds));
  out.varint(end);
  add(out.written());
}

void EntryBuffer::add_request(const RememberedRequest& request) {
  std::array<std::byte, 1 + 10 + 2 * 8 + most_request_bytes(kMaxCheckAllItems) + 10> buffer;
  base::Writer out(buffer);
  out.fixed(static_cast<std::uint8_t>(EntryType::kRequest));
  out.varint(request.seq);
  out.fixed(request.at.time.time_since_epoch().count());
  out.fixed(request.at.wall.time_since_epoch().count());
  write_request(out, request);
  if (request.reservation != 0) out.varint(request.reservation);
  FLINT_ASSERT(out.ok());
  add(out.written());
}

bool load_entry(std::span<const std::byte> entry, const Loaded& loaded) {
  base::Reader in(entry);
  const bool is_head = loaded.keys.size() == 0;
  switch (static_cast<EntryType>(in.fixed<std::uint8_t>())) {
    case EntryType::kMeta:
      return is_head && read_meta(in, loaded.time);
    case EntryType::kKey:
      return read_key(in, loaded);
    case EntryType::kRuns:
      return read_runs(in, loaded, false);
    case EntryType::kClock:
      return is_head && read_clock(in, loaded.time.at_position) && in.done();
    case EntryType::kPattern:
      return read_pattern(in, loaded);
    case EntryType::kBorn:
      return read_born(in, loaded);
    case EntryType::kUsageRuns:
      return read_runs(in, loaded, true);
    case EntryType::kGone:
      return read_gone(in, loaded);
    case EntryType::kIds:
      return read_ids(in, loaded.keys);
    case EntryType::kRequest:
      return read_request_entry(in, loaded);
    case EntryType::kFromFile:
      return read_from_file(in, loaded.keys);
    case EntryType::kHeld:
      return read_held_entry(in, loaded);
    case EntryType::kReservation:
      return read_reservation_entry(in, loaded);
    case EntryType::kReservedItem:
      return read_reserved_item(in, loaded);
    case EntryType::kTotals:
      return is_head && read_counters(in, loaded.carried) && in.done();
  }
  return false;
}

}  // namespace flint::limiter
