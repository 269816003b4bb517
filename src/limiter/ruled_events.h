#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "algorithm/recorded_state.h"
#include "algorithm/windows.h"
#include "base/calendar.h"
#include "base/coding.h"
#include "flint/limit.h"
#include "limiter/counters.h"
#include "limiter/moment.h"
#include "storage/record.h"

/// What records tell of rules, and of keys that nobody configured: the parts of a record as bytes. The layout is in
/// docs/log_format.md ("Payloads of the limiter").
namespace flint::limiter {

using KeyId = std::uint32_t;

using algorithm::RecordedState;

/// A key has at most so many: one a rule that it was decided by of late.
inline constexpr std::size_t kMaxUsages = 4;

/// One usage of a key after an event.
struct RecordedUsage {
  /// The version of a pattern that it is counted by; 0: the limit was carried.
  storage::Seq version = 0;
  Limit limit;
  RecordedState after;
};

/// One key of a check that is decided by rules.
struct RuledItem {
  KeyId id = 0;
  Units cost = 0;
  Denials denials;
  /// The name of a key that comes to life; else empty.
  std::string_view born;
  /// All of them, 1 to kMaxUsages. The first one is that of the rule that decided.
  std::vector<RecordedUsage> usages;
};

/// A key that is gone.
struct ForgottenKey {
  enum class Why : std::uint8_t { kDeleted = 0, kForgottenByPattern = 1, kForgottenCarried = 2 };

  KeyId id = 0;
  Denials denials = {};
  Why why = Why::kDeleted;
  /// The pattern that counts for it from now on, if there is one.
  KeyId pattern = 0;
  /// Denials included; unless it was deleted.
  Counters counters = {};
};

/// A pattern that is set, changed, reset or deleted.
struct PatternEvent {
  KeyId id = 0;
  Denials denials = {};
  std::string_view name = {};
  /// The version that this one replaces, or that is deleted; 0: it is new.
  storage::Seq replaces = 0;
  bool deleted = false;
  bool overrides = false;
  Mode mode = Mode::kEnforce;
  /// Its keys begin anew under this version.
  bool resets = false;
  /// Unless it is deleted.
  Limit limit = {};
};

/// The most bytes of each.
inline constexpr std::size_t kMaxLimitBytes = 1 + 10 + 1 + 1 + base::kMaxTimezoneBytes;
inline constexpr std::size_t kMaxStateBytes = 1 + 3 * 10;
inline constexpr std::size_t kMaxUsageBytes = 10 + 1 + kMaxWindows * (kMaxLimitBytes + kMaxStateBytes);
/// `windows`: those of all usages.
[[nodiscard]] constexpr std::size_t most_ruled_bytes(std::size_t name_bytes, std::size_t windows) noexcept {
  return 10 + 30 + 2 + name_bytes + 10 + 1 + windows * (10 + 1 + kMaxLimitBytes + kMaxStateBytes);
}
inline constexpr std::size_t kMaxForgottenBytes = 10 + 30 + 1 + 5 + kMaxCountersBytes;

/// An item, in parts: so many usages follow its head. `limit` is what write_whole_limit() wrote.
struct RuledHead {
  KeyId id = 0;
  Units cost = 0;
  Denials denials;
  std::string_view born;
  std::size_t usages = 0;
};
void write_ruled_head(base::Writer& out, const RuledHead& head, WallTime wall) noexcept;
void write_usage(base::Writer& out, storage::Seq version, std::string_view limit, const RecordedState& after) noexcept;
void write_ruled_item(base::Writer& out, const RuledItem& item, WallTime wall) noexcept;
/// 1 byte how many, and each.
void write_usages(base::Writer& out, const std::vector<RecordedUsage>& usages) noexcept;
[[nodiscard]] bool read_usages(base::Reader& in, std::vector<RecordedUsage>& usages, algorithm::WindowSpace& space);
void write_forgotten(base::Writer& out, const ForgottenKey& key, WallTime wall) noexcept;
void write_pattern(base::Writer& out, const PatternEvent& event, WallTime wall) noexcept;

/// False for what no limiter writes. Names live as long as what is read, and the states of several windows as long as
/// `space`.
[[nodiscard]] bool read_ruled_item(base::Reader& in, const Moment& at, RuledItem& item, algorithm::WindowSpace& space);
[[nodiscard]] bool read_forgotten(base::Reader& in, const Moment& at, ForgottenKey& key);
[[nodiscard]] bool read_pattern(base::Reader& in, const Moment& at, PatternEvent& event);

/// Denials with the wall time of the record that tells of them.
void write_denials(base::Writer& out, const Denials& denials, WallTime wall) noexcept;
[[nodiscard]] bool read_denials(base::Reader& in, const Moment& at, Denials& denials);

[[nodiscard]] inline bool has_third(const RecordedState& state) noexcept {
  return state.algorithm == Algorithm::kSlidingWindowCounter || state.algorithm == algorithm::kCalendarWindow ||
         (state.algorithm == Algorithm::kSlidingWindowLog && state.second > 1);
}

/// In place of an algorithm, where there are several windows: this and their number.
inline constexpr std::uint8_t kSeveralWindows = 0x80;

/// For each window: 1 byte algorithm + 16 * source, and a state.
void write_states(base::Writer& out, const algorithm::RecordedWindows& after) noexcept;
/// So many windows, for which `after` gets a place in `space`.
[[nodiscard]] bool read_states(base::Reader& in, std::size_t count, RecordedState& after,
                               algorithm::WindowSpace& space);

/// What follows an algorithm: two varints, or three. Or the states of several windows.
inline void write_state(base::Writer& out, const RecordedState& after) noexcept {
  if (after.windows != nullptr) [[unlikely]]
    return write_states(out, *after.windows);
  out.varint(after.first);
  out.varint(after.second);
  if (has_third(after)) out.varint(after.third);
}
[[nodiscard]] bool read_state(base::Reader& in, RecordedState& after);

/// In 1 byte.
[[nodiscard]] bool read_mode(base::Reader& in, Mode& mode);

/// A limit of one window as records and snapshots hold it, without its algorithm: varints rate, period in ms, burst (0:
/// the rate). A calendar window: varint rate, 1 byte unit, text time zone.
void write_limit(base::Writer& out, const Limit& limit) noexcept;
/// False for what is no valid limit of this algorithm.
[[nodiscard]] bool read_limit(base::Reader& in, Algorithm algorithm, Limit& limit);
/// The same with its algorithm, in 1 byte, before it. Of several windows: 1 byte kSeveralWindows + their number, and
/// each of them so.
void write_whole_limit(base::Writer& out, const Limit& limit) noexcept;
[[nodiscard]] bool read_whole_limit(base::Reader& in, Limit& limit);
/// The windows alone.
void write_windows(base::Writer& out, const Limit& limit) noexcept;
[[nodiscard]] bool read_windows(base::Reader& in, std::size_t count, Limit& limit);

}  // namespace flint::limiter
