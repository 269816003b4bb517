#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "algorithm/recorded_state.h"
#include "base/coding.h"
#include "flint/limit.h"
#include "flint/time.h"
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
  /// The limiter's time alone; written by 0.1.0 at a clean close while the wall clock was behind it.
  kTime = 5,
  /// The limiter's time beside the boot-time clock: before the first change in each boot, and when the wall clock
  /// jumps.
  kClock = 6,
};

/// Kinds of later versions. Their numbers are fixed here, so that no version ever gives one of them another meaning.
/// This version refuses a record of such a kind by name, and says that a newer version wrote it.
enum class ReservedKind : storage::RecordKind {
  /// A key of a pattern or with a carried limit comes to life with its first charge.
  kBorn = 7,
  /// Such a key is dropped once its usage is that of a fresh one.
  kForgotten = 8,
  /// A rule is set, changed or deleted: a pattern, several windows, a mode.
  kRule = 9,
  /// Usage that has happened, also beyond the limit.
  kCharged = 10,
  kReserved = 11,
  /// A reservation is committed, cancelled or renewed.
  kSettled = 12,
  /// A reservation reached its end without a settlement.
  kExpired = 13,
};

/// `born`, ..., `expired`; empty for a number that is not reserved. Static storage.
[[nodiscard]] std::string_view reserved_kind_name(storage::RecordKind kind) noexcept;

using KeyId = std::uint32_t;

using algorithm::RecordedState;

/// The latest wall clock that the limiter goes along with, in 2116, 73 years of running before the end of its own time.
/// Beyond these bounds a clock that is set to the end of time could have records written that nothing reads back.
using algorithm::kMaxTime;
inline constexpr WallTime kMaxWallTime{Nanos(std::int64_t{1} << 62)};

/// More than any limiter counts; beyond it a counter could wrap around.
inline constexpr std::uint64_t kMaxCounted = std::uint64_t{1} << 62;
/// Wall times that a limiter logs are whole milliseconds before or at the reading of the clock.
[[nodiscard]] constexpr bool is_wall_time(WallTime wall) noexcept {
  return wall >= WallTime{} - std::chrono::milliseconds(1) && wall <= kMaxWallTime;
}

/// One instant on both time lines: `time` from 0 to kMaxTime, `wall` from 0 (less a millisecond) to kMaxWallTime.
struct Moment {
  Time time{};
  WallTime wall{};
};

/// A reading of the boot-time clock, and the boot in which it was read.
struct BootTime {
  BootId boot{};
  /// From 0 on.
  Nanos reading{};

  [[nodiscard]] bool known() const noexcept { return boot != BootId{}; }

  friend bool operator==(const BootTime&, const BootTime&) = default;
};

/// Denials of a key that no record holds yet.
struct Denials {
  std::uint64_t count = 0;
  std::uint64_t cost = 0;
  WallTime last{};

  friend bool operator==(const Denials&, const Denials&) = default;
};

/// What one record says of one key.
struct KeyEvent {
  KeyId id = 0;
  /// kAllowed: units consumed. Else 0.
  Units cost = 0;
  Denials denials;
  /// kAllowed and kConfigured.
  RecordedState after;
};

struct LogEvent {
  EventType type = EventType::kTime;
  Moment at;
  std::vector<KeyEvent> items;
  /// kClock only.
  BootTime boot = {};
  /// kConfigured only. `key` lives as long as the payload that was decoded.
  std::string_view key;
  Limit limit;
};

/// The most that one record holds: a check_all of kMaxCheckAllItems, or a configured key of kMaxKeyBytes.
inline constexpr std::size_t kMaxItemBytes = 7 + 6 + 30 + 30;
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
  void clock(const BootTime& boot) noexcept;

  /// Valid as long as the writer. Stops the process if more was added than a record can hold: a bug.
  [[nodiscard]] std::span<const std::byte> written() const noexcept;
  [[nodiscard]] storage::RecordKind kind() const noexcept { return static_cast<storage::RecordKind>(type_); }

 private:
  void head(const KeyEvent& item) noexcept;
  void state(const RecordedState& after) noexcept;

  EventType type_;
  WallTime wall_;
  std::byte buffer_[kMaxEventBytes];  // left as it is: filling it would cost more than a check
  base::Writer out_;
};

/// A BootTime as records and snapshots hold it, in 24 bytes.
void write_boot_time(base::Writer& out, const BootTime& boot) noexcept;
[[nodiscard]] bool read_boot_time(base::Reader& in, BootTime& boot) noexcept;

/// A limit as records and snapshots hold it, without its algorithm: varints rate, period in ms, burst (0: the rate).
void write_limit(base::Writer& out, const Limit& limit) noexcept;
/// False for what is no valid limit of this algorithm.
[[nodiscard]] bool read_limit(base::Reader& in, Algorithm algorithm, Limit& limit);

/// False when the payload is not exactly what EventWriter writes; `event` is then not to be used. Reuses its memory.
[[nodiscard]] bool decode_event(const storage::Record& record, LogEvent& event);

}  // namespace flint::limiter
