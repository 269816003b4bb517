#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "limiter/keys.h"
#include "limiter/persisted_time.h"

/// What the entries of a snapshot say. The layout is in docs/log_format.md ("Payloads of the limiter").
///
/// First one kMeta entry, then for each key, in the order of their ids, one kKey entry, followed for a sliding log by
/// as many kRuns entries as it takes: none is longer than kMaxEntryBytes, however many runs there are.
namespace flint::limiter {

enum class EntryType : std::uint8_t { kMeta = 1, kKey = 2, kRuns = 3, kClock = 4 };

inline constexpr std::size_t kMaxEntryBytes = 17 * 1024;

/// Encoded entries, one behind the other, and where each ends.
class EntryBuffer {
 public:
  void clear() noexcept;
  /// The limiter's time, and what else is known of its clocks.
  void add_time(const PersistedTime& time);
  void add_key(const KeyEntry& entry);
  /// The same in two steps, for a sliding log of many runs.
  void add_key_alone(const KeyEntry& entry);
  void add_runs(KeyId id, const algorithm::SlidingLog& log);

  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_.size(); }
  /// Everything is encoded.
  template <typename Emit>
  void for_each(const Emit& emit) const {
    std::size_t begin = 0;
    for (const std::size_t end : ends_) {
      emit(std::span<const std::byte>(bytes_).subspan(begin, end - begin));
      begin = end;
    }
  }

 private:
  void add(std::span<const std::byte> entry);

  std::vector<std::byte> bytes_;
  std::vector<std::size_t> ends_;
};

/// What a snapshot says of the limiter's time.
struct SnapshotTime {
  PersistedTime at_position;
  /// The latest that an entry tells of: later than the position when keys changed while the snapshot was written.
  Time newest{};
};

/// Applies one entry to `limits`, `keys` and `time`. False when it is not exactly what EntryBuffer writes, or does not
/// fit what came before it.
[[nodiscard]] bool load_entry(std::span<const std::byte> entry, Limits& limits, Keys& keys, SnapshotTime& time);

}  // namespace flint::limiter
