#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "algorithm/recorded_state.h"
#include "base/coding.h"
#include "flint/limit.h"
#include "flint/time.h"
#include "limiter/counters.h"
#include "limiter/moment.h"
#include "limiter/remembered_requests.h"
#include "limiter/reservation_events.h"
#include "limiter/ruled_events.h"
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
  /// As kAllowed, where a key comes to life or has several usages: with all of them.
  kAllowedByRules = 7,
  /// Keys that are gone: forgotten once their usage was that of a fresh one, or deleted.
  kForgotten = 8,
  /// A pattern is set, changed or deleted.
  kPattern = 9,
  /// Usage that has happened, also beyond the limit.
  kCharged = 10,
  kReserved = 11,
  /// A reservation is committed, cancelled or renewed.
  kSettled = 12,
  /// A reservation reached its end without a settlement, and is given back. One that keeps its charge needs no record:
  /// it expires by its time alone.
  kExpired = 13,
  /// The mode of a key's limit alone.
  kModeChanged = 14,
  /// As kDenied, what limits in shadow mode would have denied.
  kWouldDeny = 15,
  /// As kAllowed and kAllowedByRules, of a request that is remembered by its id. Decoded as those.
  kAllowedOnce = 16,
  kAllowedByRulesOnce = 17,
};
inline constexpr EventType kLastEventType = EventType::kAllowedByRulesOnce;

/// Whether this version reads it.
[[nodiscard]] bool is_known_kind(storage::RecordKind kind) noexcept;

/// The kind of a record that is part of a group: one change of one limit, kConfigured, kModeChanged, kPattern or
/// kForgotten. The parts of a group follow each other, and count together or, where the last one is missing, not at
/// all.
inline constexpr storage::RecordKind kPartKind = 18;

struct GroupPart {
  bool begins = false;
  bool ends = false;
  /// The limit comes from a limits file.
  bool from_file = false;
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
  std::optional<GroupPart> part = std::nullopt;
  Moment at;
  std::vector<KeyEvent> items;
  /// kClock only.
  BootTime boot = {};
  /// kConfigured only; lives as long as the payload that was decoded.
  std::string_view key;
  /// kConfigured and kModeChanged; else as it is made.
  Limit limit;
  bool has_limit = false;
  Mode mode = Mode::kEnforce;
  /// kAllowedByRules, kCharged, kReserved and kForgotten, in place of `items`; kPattern.
  std::vector<RuledItem> ruled = {};
  std::vector<ForgottenKey> forgotten = {};
  PatternEvent pattern = {};
  /// kAllowed, kAllowedByRules, kCharged and kReserved: what is remembered of the request, if it came with an id.
  std::optional<RememberedRequest> request = {};
  /// kReserved; kSettled and kExpired.
  std::optional<ReservedEvent> reserved = {};
  std::optional<SettledEvent> settled = {};
  /// Of limits that have several windows, the states that the items refer to.
  algorithm::WindowSpace windows = {};
};

/// The most that one record holds: a check_all of kMaxCheckAllItems, or a configured key of kMaxKeyBytes.
inline constexpr std::size_t kMaxMomentBytes = 8 + 10;
inline constexpr std::size_t kMaxItemBytes = 7 + 6 + 30 + 30;
inline constexpr std::size_t kMaxEventBytes = 8 + 10 + kMaxCheckAllItems * kMaxItemBytes;
/// More where a key has several windows.
inline constexpr std::size_t kMaxWindowsBytes = kMaxWindows * kMaxStateBytes;
static_assert(8 + 10 + 2 + kMaxItemBytes + 2 + kMaxKeyBytes + kMaxWindows * kMaxLimitBytes + kMaxWindowsBytes + 1 <
              kMaxEventBytes);
static_assert(kMaxEventBytes + kMaxCheckAllItems * kMaxWindowsBytes <= storage::kMaxPayloadBytes);
static_assert(kMaxEventBytes <= storage::kMaxPayloadBytes);

/// The most that a record holds of a request that is remembered, beside its moment and its items.
[[nodiscard]] inline std::size_t most_once_bytes(const RememberedRequest& request) noexcept {
  return most_request_bytes(request.verdicts.size());
}

/// Builds one payload without allocating: construct, add, then written().
class EventWriter {
 public:
  EventWriter(EventType type, const Moment& at) noexcept;
  /// For a record that may have more than kMaxEventBytes; written() then may fail.
  EventWriter(EventType type, const Moment& at, std::size_t most_bytes);
  /// For a part of a group.
  EventWriter(EventType type, const Moment& at, const GroupPart& part) noexcept;

  /// Before the items: the request came with an id.
  void once(const RememberedRequest& request) noexcept;
  /// Of kCharged and kReserved, first: the request, or null if it came without an id.
  void maybe_once(const RememberedRequest* request) noexcept;
  void allowed(const KeyEvent& item) noexcept;
  void denied(const KeyEvent& item) noexcept;
  void configured(const KeyEvent& item, std::string_view key, const Limit& limit, Mode mode = Mode::kEnforce) noexcept;
  void mode_changed(const KeyEvent& item, const Limit& limit, Mode mode) noexcept;
  void reset(const KeyEvent& item) noexcept;
  void clock(const BootTime& boot) noexcept;
  void allowed_by_rules(const RuledItem& item) noexcept { write_ruled_item(out_, item, wall_); }
  /// The same in parts, of which nothing has to be copied: the head, and each usage.
  void ruled(const RuledHead& head) noexcept { write_ruled_head(out_, head, wall_); }
  void usage(storage::Seq version, std::string_view limit, const RecordedState& after) noexcept {
    write_usage(out_, version, limit, after);
  }
  /// Before the ruled items.
  void reserved(const ReservedEvent& event) noexcept { write_reserved(out_, event); }
  void settled(const SettledEvent& event) noexcept { write_settled(out_, event, wall_); }
  void forgotten(const ForgottenKey& key) noexcept { write_forgotten(out_, key, wall_); }
  void pattern(const PatternEvent& event) noexcept { write_pattern(out_, event, wall_); }

  /// Whether all that was added fits into a record.
  [[nodiscard]] bool fits() const noexcept { return out_.ok(); }
  /// Valid as long as the writer. Stops the process if more was added than fits: a bug.
  [[nodiscard]] std::span<const std::byte> written() const noexcept;
  [[nodiscard]] storage::RecordKind kind() const noexcept { return kind_; }

 private:
  void head(const KeyEvent& item) noexcept;

  void begin(const Moment& at) noexcept;

  storage::RecordKind kind_;
  WallTime wall_;
  std::unique_ptr<std::byte[]> large_;
  std::byte buffer_[kMaxEventBytes];  // left as it is: filling it would cost more than a check
  base::Writer out_;
};

/// A BootTime as records and snapshots hold it, in 24 bytes.
void write_boot_time(base::Writer& out, const BootTime& boot) noexcept;
[[nodiscard]] bool read_boot_time(base::Reader& in, BootTime& boot) noexcept;

/// False when the payload is not exactly what EventWriter writes; `event` is then not to be used. Reuses its memory.
[[nodiscard]] bool decode_event(const storage::Record& record, LogEvent& event);

}  // namespace flint::limiter
