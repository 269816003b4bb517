#include "limiter/event_codec.h"

#include <utility>

#include "base/arithmetic.h"
#include "base/assert.h"

namespace flint::limiter {
namespace {

using std::chrono::milliseconds;

// The wall clock is stored as its distance from the limiter's time in whole milliseconds: one byte as long as nobody
// sets it, and precise enough for what is shown.
std::int64_t wall_offset_ms(const Moment& at) noexcept {
  const Nanos offset = at.wall.time_since_epoch() - at.time.time_since_epoch();
  return std::chrono::floor<milliseconds>(offset).count();
}

constexpr std::uint64_t kHasDenials = 4;
constexpr unsigned kIdShift = 3;
constexpr std::uint64_t kAlgorithmMask = 3;
// In place of the first three algorithms, which 0.1.0 knew, in an item's head: the algorithm follows.
constexpr std::uint64_t kLaterAlgorithm = 0;
static_assert(static_cast<std::uint64_t>(Algorithm::kFixedWindowCounter) == kAlgorithmMask, "the head has two bits");

// Flags of a part.
constexpr unsigned kBegins = 1;
constexpr unsigned kEnds = 2;
constexpr unsigned kFromFile = 4;

std::uint64_t algorithm_bits(Algorithm algorithm) noexcept {
  const auto value = static_cast<std::uint64_t>(algorithm);
  return value <= kAlgorithmMask ? value : kLaterAlgorithm;
}

bool is_later_algorithm(std::uint8_t value) noexcept {
  return value > kAlgorithmMask && value <= static_cast<std::uint8_t>(Algorithm::kConcurrency);
}

bool read_moment(base::Reader& in, Moment& at) {
  constexpr std::int64_t kMostOffsetMs = kMaxTime.time_since_epoch() / milliseconds(1) + 1;
  at.time = Time(Nanos(in.fixed<std::int64_t>()));
  const std::int64_t offset_ms = base::unzigzag(in.varint());
  if (!in.ok() || at.time < Time{} || at.time > kMaxTime) return false;
  if (offset_ms > kMostOffsetMs || offset_ms < -kMostOffsetMs) return false;
  const auto wall =
      base::checked_add<std::int64_t>(at.time.time_since_epoch().count(), Nanos(milliseconds(offset_ms)).count());
  at.wall = WallTime(Nanos(wall.value_or(-1)));
  return wall && is_wall_time(at.wall);
}

/// `windows`: their number, where the item has the form of several.
bool read_head(base::Reader& in, const Moment& at, KeyEvent& item, std::size_t& windows) {
  const std::uint64_t head = in.varint();
  const std::uint64_t id = head >> kIdShift;
  if (!in.ok() || id > UINT32_MAX) return false;
  item.id = static_cast<KeyId>(id);
  item.after.algorithm = static_cast<Algorithm>(head & kAlgorithmMask);
  if ((head & kAlgorithmMask) == kLaterAlgorithm) {
    const auto form = in.fixed<std::uint8_t>();
    if (!in.ok() || (form < kSeveralWindows && !is_later_algorithm(form))) return false;
    windows = form < kSeveralWindows ? 0 : form - kSeveralWindows;
    if (windows > kMaxWindows || (form >= kSeveralWindows && windows == 0)) return false;
    item.after.algorithm = windows == 0 ? static_cast<Algorithm>(form) : Algorithm::kTokenBucket;
  }
  return (head & kHasDenials) == 0 || read_denials(in, at, item.denials);
}

/// Only a settlement gives units of a sliding log back.
bool gives_back(const RecordedState& after) noexcept {
  return after.algorithm == Algorithm::kSlidingWindowLog && after.second > 1;
}

bool read_configured(base::Reader& in, LogEvent& event, std::size_t windows) {
  RecordedState& after = event.items.back().after;
  event.key = in.text();
  const bool is_read =
      windows > 0 ? read_windows(in, windows, event.limit) && read_states(in, windows, after, event.windows)
                  : read_limit(in, after.algorithm, event.limit) && read_state(in, after) && !gives_back(after);
  if (!is_read || !validate_key(event.key).ok()) return false;
  return in.left() == 0 || (read_mode(in, event.mode) && event.mode != Mode::kEnforce);
}

bool read_item(base::Reader& in, LogEvent& event) {
  KeyEvent& item = event.items.emplace_back();
  std::size_t windows = 0;
  if (!read_head(in, event.at, item, windows)) return false;
  switch (event.type) {
    case EventType::kConfigured:
      event.has_limit = true;
      return event.items.size() == 1 && read_configured(in, event, windows);
    case EventType::kAllowed:
      item.cost = in.varint();
      if (item.cost < 1 || item.cost > kMaxUnits || windows == 1) return false;
      if (item.after.algorithm == Algorithm::kConcurrency) return false;
      return windows == 0 ? read_state(in, item.after) && !gives_back(item.after)
                          : read_states(in, windows, item.after, event.windows);
    case EventType::kReset:
      return event.items.size() == 1 && windows == 0;
    case EventType::kDenied:
    case EventType::kWouldDeny:
      return item.denials.count > 0 && windows == 0;
    case EventType::kModeChanged:
      event.has_limit = true;
      return event.items.size() == 1 && windows == 0 && read_mode(in, event.mode) && read_whole_limit(in, event.limit);
    case EventType::kTime:
    case EventType::kClock:
    case EventType::kAllowedByRules:
    case EventType::kForgotten:
    case EventType::kPattern:
    case EventType::kCharged:
    case EventType::kReserved:
    case EventType::kSettled:
    case EventType::kExpired:
    case EventType::kAllowedOnce:
    case EventType::kAllowedByRulesOnce:
      return false;
  }
  return false;
}

/// One change of one limit, with a head that says where in its group it is.
bool read_part(base::Reader& in, LogEvent& event) {
  const auto flags = in.fixed<std::uint8_t>();
  event.type = static_cast<EventType>(in.fixed<std::uint8_t>());
  if (!in.ok() || flags > (kBegins | kEnds | kFromFile)) return false;
  event.part =
      GroupPart{.begins = (flags & kBegins) != 0, .ends = (flags & kEnds) != 0, .from_file = (flags & kFromFile) != 0};
  switch (event.type) {
    case EventType::kConfigured:
    case EventType::kModeChanged:
      return read_item(in, event) && in.done();
    case EventType::kPattern:
      return read_pattern(in, event.at, event.pattern) && !event.pattern.resets && in.done();
    case EventType::kForgotten:
      return read_forgotten(in, event.at, event.forgotten.emplace_back()) &&
             event.forgotten.front().why == ForgottenKey::Why::kDeleted && in.done();
    default:
      return false;
  }
}

/// The request of a charge or a reservation, if it came with an id.
bool read_maybe_once(base::Reader& in, storage::Seq seq, LogEvent& event) {
  const auto has_request = in.fixed<std::uint8_t>();
  if (!in.ok() || has_request > 1) return false;
  if (has_request == 0) return true;
  if (!read_request(in, event.request.emplace())) return false;
  event.request->seq = seq;
  event.request->at = event.at;
  return true;
}

/// Items up to the end, at most so many.
template <typename Item, typename Read>
bool read_items(base::Reader& in, const Moment& at, std::vector<Item>& items, const Read& read) {
  do {
    if (items.size() == kMaxCheckAllItems || !read(in, at, items.emplace_back())) return false;
  } while (in.left() > 0);
  return in.done();
}

bool read_charged(base::Reader& in, storage::Seq seq, LogEvent& event) {
  return read_maybe_once(in, seq, event) && read_ruled_item(in, event.at, event.ruled.emplace_back(), event.windows) &&
         in.done();
}

/// One charge for each key that is held.
bool read_reservation(base::Reader& in, storage::Seq seq, LogEvent& event) {
  if (!read_maybe_once(in, seq, event) || !read_reserved(in, event.reserved.emplace())) return false;
  if (event.request) event.request->reservation = event.reserved->id.number;
  for (const ReservedEvent::Key& key : event.reserved->keys) {
    if (!key.is_held) continue;
    RuledItem& item = event.ruled.emplace_back();
    if (!read_ruled_item(in, event.at, item, event.windows) || item.cost != key.cost) return false;
    if (!item.born.empty() && item.born != key.name) return false;
  }
  return in.done();
}

}  // namespace

bool is_known_kind(storage::RecordKind kind) noexcept {
  return kind >= static_cast<storage::RecordKind>(EventType::kConfigured) && kind <= kPartKind;
}
static_assert(kPartKind == static_cast<storage::RecordKind>(kLastEventType) + 1);

void write_boot_time(base::Writer& out, const BootTime& boot) noexcept {
  for (const std::byte byte : boot.boot) out.fixed(std::to_integer<std::uint8_t>(byte));
  out.fixed(boot.reading.count());
}

bool read_boot_time(base::Reader& in, BootTime& boot) noexcept {
  for (std::byte& byte : boot.boot) byte = std::byte{in.fixed<std::uint8_t>()};
  boot.reading = Nanos(in.fixed<std::int64_t>());
  return in.ok() && boot.reading >= Nanos(0);
}

inline void EventWriter::begin(const Moment& at) noexcept {
  const std::int64_t offset_ms = wall_offset_ms(at);
  wall_ = WallTime(at.time.time_since_epoch() + milliseconds(offset_ms));
  out_.fixed(at.time.time_since_epoch().count());
  out_.varint(base::zigzag(offset_ms));
}

EventWriter::EventWriter(EventType type, const Moment& at) noexcept
    : kind_(static_cast<storage::RecordKind>(type)), wall_(at.wall), out_({&buffer_[0], kMaxEventBytes}) {
  begin(at);
}

EventWriter::EventWriter(EventType type, const Moment& at, std::size_t most_bytes)
    : kind_(static_cast<storage::RecordKind>(type)), wall_(at.wall), out_({&buffer_[0], kMaxEventBytes}) {
  if (most_bytes > kMaxEventBytes - kMaxMomentBytes) {
    large_ = std::make_unique_for_overwrite<std::byte[]>(storage::kMaxPayloadBytes);
    out_ = base::Writer({large_.get(), storage::kMaxPayloadBytes});
  }
  begin(at);
}

EventWriter::EventWriter(EventType type, const Moment& at, const GroupPart& part) noexcept
    : kind_(kPartKind), wall_(at.wall), out_({&buffer_[0], kMaxEventBytes}) {
  begin(at);
  out_.fixed(static_cast<std::uint8_t>((part.begins ? kBegins : 0) | (part.ends ? kEnds : 0) |
                                       (part.from_file ? kFromFile : 0)));
  out_.fixed(static_cast<std::uint8_t>(type));
}

void EventWriter::head(const KeyEvent& item) noexcept {
  const bool has_denials = item.denials.count > 0;
  const bool has_windows = item.after.windows != nullptr;
  const std::uint64_t bits = has_windows ? kLaterAlgorithm : algorithm_bits(item.after.algorithm);
  out_.varint(std::uint64_t{item.id} << kIdShift | (has_denials ? kHasDenials : 0) | bits);
  if (has_windows) {
    out_.fixed(static_cast<std::uint8_t>(kSeveralWindows | item.after.windows->count));
  } else if (bits == kLaterAlgorithm) {
    out_.fixed(static_cast<std::uint8_t>(item.after.algorithm));
  }
  if (!has_denials) return;
  write_denials(out_, item.denials, wall_);
}

void EventWriter::once(const RememberedRequest& request) noexcept {
  const bool is_plain = kind_ == static_cast<storage::RecordKind>(EventType::kAllowed);
  kind_ = static_cast<storage::RecordKind>(is_plain ? EventType::kAllowedOnce : EventType::kAllowedByRulesOnce);
  write_request(out_, request);
}

void EventWriter::allowed(const KeyEvent& item) noexcept {
  head(item);
  out_.varint(item.cost);
  write_state(out_, item.after);
}

void EventWriter::maybe_once(const RememberedRequest* request) noexcept {
  out_.fixed(static_cast<std::uint8_t>(request == nullptr ? 0 : 1));
  if (request != nullptr) write_request(out_, *request);
}

void EventWriter::denied(const KeyEvent& item) noexcept { head(item); }

/// The mode follows only if it is not enforce, so that a record without it is one of 0.1.0.
void EventWriter::configured(const KeyEvent& item, std::string_view key, const Limit& limit, Mode mode) noexcept {
  head(item);
  out_.text(key);
  item.after.windows == nullptr ? write_limit(out_, limit) : write_windows(out_, limit);
  write_state(out_, item.after);
  if (mode != Mode::kEnforce) out_.fixed(static_cast<std::uint8_t>(mode));
}

void EventWriter::mode_changed(const KeyEvent& item, const Limit& limit, Mode mode) noexcept {
  head(item);
  out_.fixed(static_cast<std::uint8_t>(mode));
  write_whole_limit(out_, limit);
}

void EventWriter::reset(const KeyEvent& item) noexcept { head(item); }

void EventWriter::clock(const BootTime& boot) noexcept { write_boot_time(out_, boot); }

std::span<const std::byte> EventWriter::written() const noexcept {
  FLINT_ASSERT(out_.ok());
  return out_.written();
}

bool decode_event(const storage::Record& record, LogEvent& event) {
  event.part.reset();
  event.items.clear();
  event.key = {};
  if (std::exchange(event.has_limit, false)) event.limit = {};
  event.mode = Mode::kEnforce;
  event.ruled.clear();
  event.forgotten.clear();
  event.windows.clear();
  event.request.reset();
  event.reserved.reset();
  event.settled.reset();
  if (!is_known_kind(record.kind)) return false;
  base::Reader in(record.payload);
  if (!read_moment(in, event.at)) return false;
  if (record.kind == kPartKind) return read_part(in, event);
  event.type = static_cast<EventType>(record.kind);
  if (event.type == EventType::kAllowedOnce || event.type == EventType::kAllowedByRulesOnce) {
    event.type = event.type == EventType::kAllowedOnce ? EventType::kAllowed : EventType::kAllowedByRules;
    if (!read_request(in, event.request.emplace())) return false;
    event.request->seq = record.seq;
    event.request->at = event.at;
  }
  if (event.type == EventType::kTime) return in.done();
  if (event.type == EventType::kClock) return read_boot_time(in, event.boot) && in.done();
  if (event.type == EventType::kAllowedByRules) {
    return read_items(in, event.at, event.ruled, [&](base::Reader& from, const Moment& at, RuledItem& item) {
      return read_ruled_item(from, at, item, event.windows);
    });
  }
  if (event.type == EventType::kCharged) return read_charged(in, record.seq, event);
  if (event.type == EventType::kReserved) return read_reservation(in, record.seq, event);
  if (event.type == EventType::kSettled || event.type == EventType::kExpired) {
    return read_settled(in, event.at, event.settled.emplace(), event.windows) &&
           (event.settled->as == SettledAs::kReturned) == (event.type == EventType::kExpired);
  }
  if (event.type == EventType::kForgotten) return read_items(in, event.at, event.forgotten, read_forgotten);
  if (event.type == EventType::kPattern) return read_pattern(in, event.at, event.pattern) && in.done();
  do {
    if (event.items.size() == kMaxCheckAllItems || !read_item(in, event)) return false;
  } while (in.left() > 0);
  return in.done();
}

}  // namespace flint::limiter
