#include "limiter/ruled_events.h"

#include "base/arithmetic.h"

namespace flint::limiter {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kHasDenials = 1;
constexpr std::uint64_t kIsBorn = 2;
constexpr unsigned kIdShift = 2;

constexpr std::uint8_t kDeleted = 1;
constexpr std::uint8_t kOverrides = 2;
constexpr std::uint8_t kResets = 4;
constexpr unsigned kModeShift = 3;

void write_head(base::Writer& out, KeyId id, const Denials& denials, bool is_born, WallTime wall) noexcept {
  const bool has_denials = denials.count > 0;
  out.varint(std::uint64_t{id} << kIdShift | (is_born ? kIsBorn : 0) | (has_denials ? kHasDenials : 0));
  if (has_denials) write_denials(out, denials, wall);
}

bool read_head(base::Reader& in, const Moment& at, KeyId& id, Denials& denials, bool& is_born) {
  const std::uint64_t head = in.varint();
  if (!in.ok() || head >> kIdShift > UINT32_MAX) return false;
  id = static_cast<KeyId>(head >> kIdShift);
  is_born = (head & kIsBorn) != 0;
  return (head & kHasDenials) == 0 || read_denials(in, at, denials);
}

bool read_usage(base::Reader& in, RecordedUsage& usage, algorithm::WindowSpace& space) {
  usage.version = in.varint();
  if (!in.ok() || !read_whole_limit(in, usage.limit)) return false;
  if (!usage.limit.further.empty()) return read_states(in, usage.limit.window_count(), usage.after, space);
  usage.after.algorithm = algorithm::recorded_algorithm(usage.limit);
  return read_state(in, usage.after);
}

}  // namespace

void write_denials(base::Writer& out, const Denials& denials, WallTime wall) noexcept {
  out.varint(denials.count);
  out.varint(denials.cost);
  out.varint(base::zigzag((denials.last - wall).count()));
}

bool read_denials(base::Reader& in, const Moment& at, Denials& denials) {
  denials.count = in.varint();
  denials.cost = in.varint();
  const auto last = base::checked_add<std::int64_t>(at.wall.time_since_epoch().count(), base::unzigzag(in.varint()));
  denials.last = WallTime(Nanos(last.value_or(0)));
  return in.ok() && last && is_wall_time(denials.last) && denials.count > 0 && denials.count <= kMaxCounted;
}

bool read_state(base::Reader& in, RecordedState& after) {
  after.first = in.varint();
  after.second = in.varint();
  if (has_third(after)) after.third = in.varint();
  return in.ok();
}

bool read_mode(base::Reader& in, Mode& mode) {
  const auto value = in.fixed<std::uint8_t>();
  mode = static_cast<Mode>(value);
  return in.ok() && value <= static_cast<std::uint8_t>(Mode::kBlock);
}

namespace {
constexpr unsigned kSourceShift = 4;
constexpr std::uint8_t kAlgorithmMask = 15;
static_assert(static_cast<std::uint8_t>(algorithm::kCalendarWindow) <= kAlgorithmMask && kMaxWindows <= kAlgorithmMask);
}  // namespace

void write_states(base::Writer& out, const algorithm::RecordedWindows& after) noexcept {
  for (std::uint8_t i = 0; i < after.count; ++i) {
    const RecordedState& state = after.states[i];
    out.fixed(static_cast<std::uint8_t>(after.sources[i] << kSourceShift | static_cast<std::uint8_t>(state.algorithm)));
    write_state(out, state);
  }
}

bool read_states(base::Reader& in, std::size_t count, RecordedState& after, algorithm::WindowSpace& space) {
  if (count < 1 || count > kMaxWindows) return false;
  algorithm::RecordedWindows& windows = space.add().after;
  windows.count = static_cast<std::uint8_t>(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto head = in.fixed<std::uint8_t>();
    windows.sources[i] = head >> kSourceShift;
    windows.states[i] = {.algorithm = static_cast<Algorithm>(head & kAlgorithmMask)};
    if (!in.ok() || windows.sources[i] > kMaxWindows || !read_state(in, windows.states[i])) return false;
  }
  after.windows = &windows;
  return true;
}

void write_limit(base::Writer& out, const Limit& limit) noexcept {
  out.varint(limit.rate);
  if (limit.align != Align::kNone) {
    out.fixed(static_cast<std::uint8_t>(limit.align));
    return out.text(limit.timezone);
  }
  out.varint(static_cast<std::uint64_t>(limit.per / milliseconds(1)));
  out.varint(limit.burst.value_or(0));
}

namespace {
bool read_calendar(base::Reader& in, Limit& limit) {
  limit.algorithm = Algorithm::kFixedWindowCounter;
  limit.rate = in.varint();
  limit.align = static_cast<Align>(in.fixed<std::uint8_t>());
  limit.timezone = in.text();
  return in.ok() && limit.align != Align::kNone && base::validate_stored(limit).ok();
}
}  // namespace

bool read_limit(base::Reader& in, Algorithm algorithm, Limit& limit) {
  if (algorithm == algorithm::kCalendarWindow) return read_calendar(in, limit);
  limit.algorithm = algorithm;
  limit.rate = in.varint();
  const std::uint64_t per_ms = in.varint();
  const std::uint64_t burst = in.varint();
  if (!in.ok() || per_ms > static_cast<std::uint64_t>(kMaxPeriod / milliseconds(1))) return false;
  limit.per = milliseconds(per_ms);
  if (burst != 0) limit.burst = burst;
  return base::validate_stored(limit).ok();
}

void write_whole_limit(base::Writer& out, const Limit& limit) noexcept {
  if (!limit.further.empty()) out.fixed(static_cast<std::uint8_t>(kSeveralWindows | limit.window_count()));
  write_windows(out, limit);
}

bool read_whole_limit(base::Reader& in, Limit& limit) {
  const auto first = in.fixed<std::uint8_t>();
  if (!in.ok()) return false;
  if (first < kSeveralWindows) return read_limit(in, static_cast<Algorithm>(first), limit);
  const std::size_t count = first - kSeveralWindows;
  return count > 1 && read_windows(in, count, limit);
}

void write_windows(base::Writer& out, const Limit& limit) noexcept {
  for (std::size_t i = 0; i < limit.window_count(); ++i) {
    out.fixed(static_cast<std::uint8_t>(algorithm::recorded_algorithm(limit.window(i))));
    write_limit(out, limit.window(i));
  }
}

bool read_windows(base::Reader& in, std::size_t count, Limit& limit) {
  if (count < 1 || count > kMaxWindows) return false;
  for (std::size_t i = 0; i < count; ++i) {
    const auto algorithm = static_cast<Algorithm>(in.fixed<std::uint8_t>());
    if (!in.ok() || !read_limit(in, algorithm, i == 0 ? limit : limit.further.emplace_back())) return false;
  }
  return base::validate_stored(limit).ok();
}

void write_usage(base::Writer& out, storage::Seq version, std::string_view limit, const RecordedState& after) noexcept {
  out.varint(version);
  out.bytes(limit);
  write_state(out, after);
}

namespace {
void write_usage(base::Writer& out, const RecordedUsage& usage) noexcept {
  out.varint(usage.version);
  write_whole_limit(out, usage.limit);
  write_state(out, usage.after);
}
}  // namespace

void write_usages(base::Writer& out, const std::vector<RecordedUsage>& usages) noexcept {
  out.fixed(static_cast<std::uint8_t>(usages.size()));
  for (const RecordedUsage& usage : usages) write_usage(out, usage);
}

bool read_usages(base::Reader& in, std::vector<RecordedUsage>& usages, algorithm::WindowSpace& space) {
  const auto count = in.fixed<std::uint8_t>();
  if (!in.ok() || count > kMaxUsages) return false;
  for (std::uint8_t i = 0; i < count; ++i) {
    if (!read_usage(in, usages.emplace_back(), space)) return false;
  }
  return true;
}

void write_ruled_head(base::Writer& out, const RuledHead& head, WallTime wall) noexcept {
  write_head(out, head.id, head.denials, !head.born.empty(), wall);
  if (!head.born.empty()) out.text(head.born);
  out.varint(head.cost);
  out.fixed(static_cast<std::uint8_t>(head.usages));
}

void write_ruled_item(base::Writer& out, const RuledItem& item, WallTime wall) noexcept {
  write_ruled_head(out, {item.id, item.cost, item.denials, item.born, item.usages.size()}, wall);
  for (const RecordedUsage& usage : item.usages) write_usage(out, usage);
}

bool read_ruled_item(base::Reader& in, const Moment& at, RuledItem& item, algorithm::WindowSpace& space) {
  bool is_born = false;
  if (!read_head(in, at, item.id, item.denials, is_born)) return false;
  if (is_born) {
    item.born = in.text();
    if (!in.ok() || !validate_key(item.born).ok()) return false;
  }
  item.cost = in.varint();
  if (!in.ok() || item.cost < 1 || item.cost > kMaxUnits) return false;
  return read_usages(in, item.usages, space) && !item.usages.empty();
}

void write_forgotten(base::Writer& out, const ForgottenKey& key, WallTime wall) noexcept {
  write_head(out, key.id, key.denials, false, wall);
  out.fixed(static_cast<std::uint8_t>(key.why));
  if (key.why == ForgottenKey::Why::kDeleted) return;
  if (key.why == ForgottenKey::Why::kForgottenByPattern) out.varint(key.pattern);
  write_counters(out, key.counters);
}

bool read_forgotten(base::Reader& in, const Moment& at, ForgottenKey& key) {
  bool is_born = false;
  if (!read_head(in, at, key.id, key.denials, is_born) || is_born) return false;
  const auto why = in.fixed<std::uint8_t>();
  key.why = static_cast<ForgottenKey::Why>(why);
  if (!in.ok() || why > static_cast<std::uint8_t>(ForgottenKey::Why::kForgottenCarried)) return false;
  if (key.why == ForgottenKey::Why::kDeleted) return true;
  if (key.why == ForgottenKey::Why::kForgottenByPattern) {
    const std::uint64_t pattern = in.varint();
    if (!in.ok() || pattern > UINT32_MAX) return false;
    key.pattern = static_cast<KeyId>(pattern);
  }
  return read_counters(in, key.counters);
}

void write_pattern(base::Writer& out, const PatternEvent& event, WallTime wall) noexcept {
  write_head(out, event.id, event.denials, false, wall);
  out.text(event.name);
  out.varint(event.replaces);
  out.fixed(static_cast<std::uint8_t>((event.deleted ? kDeleted : 0) | (event.overrides ? kOverrides : 0) |
                                      (event.resets ? kResets : 0) | static_cast<unsigned>(event.mode) << kModeShift));
  if (!event.deleted) write_whole_limit(out, event.limit);
}

bool read_pattern(base::Reader& in, const Moment& at, PatternEvent& event) {
  event = {};
  bool is_born = false;
  if (!read_head(in, at, event.id, event.denials, is_born) || is_born) return false;
  event.name = in.text();
  event.replaces = in.varint();
  const auto flags = in.fixed<std::uint8_t>();
  event.deleted = (flags & kDeleted) != 0;
  event.overrides = (flags & kOverrides) != 0;
  event.resets = (flags & kResets) != 0;
  const unsigned mode = flags >> kModeShift;
  event.mode = static_cast<Mode>(mode);
  if (!in.ok() || mode > static_cast<unsigned>(Mode::kBlock) || !validate_key(event.name).ok() ||
      !is_pattern(event.name)) {
    return false;
  }
  if (event.deleted) return event.replaces != 0 && flags == kDeleted;
  if (event.resets && event.replaces == 0) return false;
  if (event.mode != Mode::kEnforce && !event.overrides) return false;
  return read_whole_limit(in, event.limit);
}

}  // namespace flint::limiter
