#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/coding.h"
#include "flint/limit.h"
#include "storage/store.h"

/// What the limiter's log records say: the one place where events become bytes and bytes become events. The layout,
/// byte by byte, is in docs/log_format.md ("Payloads of the limiter").
///
/// A record holds the state after the event and what the event adds to counters; replay stores and adds, and never
/// decides again. Keys are named by the small id that their first kConfigured record gives them.
namespace flint::limiter {

/// Stored on disk: the values never change meaning.
enum class EventType : storage::RecordKind {
  kConfigured = 1,
  /// One check, or all the items of one check_all.
  kAllowed = 2,
  kReset = 3,
  /// Denials since the keys' last records, summed up.
  kDenied = 4,
  /// The limiter's time alone, at a clean close while the wall clock is behind it.
  kTime = 5,
};

using KeyId = std::uint32_t;

/// The latest wall clock that the limiter goes along with, in 2116, and the end of its own time, 73 years of running
/// later. Within these bounds no sum or difference that a record holds overflows; beyond them a clock that is set to
/// the end of time could have records written that nothing reads back.
inline constexpr WallTime kLatestWall{Nanos(std::int64_t{1} << 62)};
inline constexpr Time kLatestTime{Nanos((std::int64_t{1} << 62) + (std::int64_t{1} << 61))};

/// One instant on both time lines: `time` from 0 to kLatestTime, `wall` from 0 (less a millisecond) to kLatestWall.
struct Moment {
  Time time{};
  WallTime wall{};
};

/// Denials of a key that no record holds yet.
struct Denials {
  std::uint64_t count = 0;
  std::uint64_t cost = 0;
  WallTime last{};

  friend bool operator==(const Denials&, const Denials&) = default;
};

/// A key's state after an event, by its algorithm:
/// token_bucket: first = units in use, second = fraction; fixed_window_counter: first = age of window in ns, second =
/// count; sliding_window_log: first = units spent in the window, second = 1 when the runs were replaced by one run of
/// that cost at the event's time, 0 when they stay (the event's own run, if it has one, is appended).
struct StateAfter {
  Algorithm algorithm = Algorithm::kTokenBucket;
  std::uint64_t first = 0;
  std::uint64_t second = 0;

  friend bool operator==(const StateAfter&, const StateAfter&) = default;
};

/// What one record says of one key.
struct KeyEvent {
  KeyId id = 0;
  /// kAllowed: units consumed. Else 0.
  Units cost = 0;
  Denials denials;
  /// kAllowed and kConfigured.
  StateAfter after;
};

struct LogEvent {
  EventType type = EventType::kTime;
  Moment at;
  std::vector<KeyEvent> items;
  /// kConfigured only. `key` lives as long as the payload that was decoded.
  std::string_view key;
  Limit limit;
};

/// The most that one record holds: a check_all of kMaxCheckAllItems, or a configured key of kMaxKeyBytes.
inline constexpr std::size_t kMaxItemBytes = 6 + 6 + 30 + 20;
inline constexpr std::size_t kMaxEventBytes = 8 + 10 + kMaxCheckAllItems * kMaxItemBytes;
static_assert(8 + 10 + kMaxItemBytes + 2 + kMaxKeyBytes + 3 * 10 < kMaxEventBytes);
static_assert(kMaxEventBytes <= storage::kMaxPayloadBytes);

/// Builds one payload without allocating: construct, add, then written().
class EventWriter {
 public:
  EventWriter(EventType type, const Moment& at) noexcept;

  void allowed(const KeyEvent& item) noexcept;
  void denied(const KeyEvent& item) noexcept;
  void configured(const KeyEvent& item, std::string_view key, const Limit& limit) noexcept;
  void reset(const KeyEvent& item) noexcept;

  /// Valid as long as the writer. Stops the process if more was added than a record can hold: a bug.
  [[nodiscard]] std::span<const std::byte> written() const noexcept;
  [[nodiscard]] storage::RecordKind kind() const noexcept { return static_cast<storage::RecordKind>(type_); }

 private:
  void head(const KeyEvent& item) noexcept;
  void state(const StateAfter& after) noexcept;

  EventType type_;
  WallTime wall_;
  std::byte buffer_[kMaxEventBytes];  // left as it is: filling it would cost more than a check
  base::Writer out_;
};

/// False when the payload is not exactly what EventWriter writes; `event` is then not to be used. Reuses its memory.
[[nodiscard]] bool decode_event(const storage::Record& record, LogEvent& event);

}  // namespace flint::limiter
