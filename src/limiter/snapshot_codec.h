#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "limiter/holds.h"
#include "limiter/keys.h"
#include "limiter/patterns.h"
#include "limiter/persisted_time.h"
#include "limiter/remembered_requests.h"

/// What the entries of a snapshot say. The layout is in docs/log_format.md ("Payloads of the limiter").
///
/// First what there is one of: kMeta, kClock, kTotals. Then for each key, in the order of their ids, one entry,
/// followed for a sliding log by as many entries of runs as it takes: none is longer than kMaxEntryBytes, however many
/// runs there are. Then the keys that went in the meantime, and how many ids there are. Last the requests that are
/// remembered, in the order of their records, and the reservations, in that of their numbers.
namespace flint::limiter {

enum class EntryType : std::uint8_t {
  kMeta = 1,
  /// A key that has a limit of its own.
  kKey = 2,
  /// Of the usage of such a key.
  kRuns = 3,
  kClock = 4,
  kPattern = 5,
  kBorn = 6,
  /// Of one of the usages of a born key, or of one of several windows.
  kUsageRuns = 7,
  kGone = 8,
  kTotals = 9,
  /// How many ids there are, where the last ones are free.
  kIds = 10,
  /// A request that is remembered by its id.
  kRequest = 11,
  /// The limit of the key before it came from a limits file.
  kFromFile = 12,
  /// What reservations hold of the key before it.
  kHeld = 13,
  /// A reservation, and then its items, one an entry.
  kReservation = 14,
  kReservedItem = 15,
};
inline constexpr EntryType kLastEntryType = EntryType::kReservedItem;

inline constexpr std::size_t kMaxEntryBytes = 17 * 1024;

/// The runs of a key's usages, copied a part at a time. What a usage is known by outlives the usage.
struct CopiedRuns {
  struct Log {
    storage::Seq version = 0;
    Limit limit;
    std::size_t usage = 0;
    std::size_t window = 0;
    algorithm::SlidingLog runs;
  };
  /// One for each window of each usage of the key, in their order; empty for one that has no runs.
  std::vector<Log> logs;

  [[nodiscard]] bool empty() const noexcept { return logs.empty(); }
};

/// Encoded entries, one behind the other, and where each ends.
class EntryBuffer {
 public:
  void clear() noexcept;
  /// The limiter's time, and what else is known of its clocks.
  void add_time(const PersistedTime& time);
  void add_totals(const Counters& carried);
  /// A born key follows its patterns already.
  void add_key(const KeyEntry& entry);
  /// The same in two steps, for sliding logs of many runs.
  void add_key_alone(const KeyEntry& entry);
  void add_runs(KeyId id, KeyKind kind, const CopiedRuns& copied);
  void add_gone(std::span<const KeyId> ids);
  void add_ids(KeyId end);
  void add_request(const RememberedRequest& request);
  void add_reservation(const Reservation& reservation);

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
  void add_held(const KeyEntry& entry);
  struct RunsOf {
    KeyId id = 0;
    KeyKind kind = KeyKind::kSet;
    std::size_t windows = 1;
    std::size_t usage = 0;
    std::size_t window = 0;
  };
  void add_runs(const RunsOf& of, const algorithm::SlidingLog& log);

  std::vector<std::byte> bytes_;
  std::vector<std::size_t> ends_;
};

/// What a snapshot says of the limiter's time.
struct SnapshotTime {
  PersistedTime at_position;
  /// The latest that an entry tells of: later than the position when keys changed while the snapshot was written.
  Time newest{};
};

/// What a snapshot says of the rest.
struct Loaded {
  Limits& limits;
  Keys& keys;
  Patterns& patterns;
  Counters& carried;
  SnapshotTime& time;
  boost::unordered_flat_set<KeyId>& gone;
  RememberedRequests& requests;
  Holds& holds;
};

/// Of load_entry(): those that tell of reservations.
[[nodiscard]] bool read_held_entry(base::Reader& in, const Loaded& loaded);
[[nodiscard]] bool read_reservation_entry(base::Reader& in, const Loaded& loaded);
[[nodiscard]] bool read_reserved_item(base::Reader& in, const Loaded& loaded);

/// Applies one entry to `loaded`. False when it is not exactly what EntryBuffer writes, or does not
/// fit what came before it.
[[nodiscard]] bool load_entry(std::span<const std::byte> entry, const Loaded& loaded);

}  // namespace flint::limiter
