#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "algorithm/algorithm.h"
#include "limiter/event_codec.h"

/// Everything that is known of every key, in memory.
namespace flint::limiter {

/// What the log says of a key's past: denials that no record holds yet are not in here.
struct Counters {
  std::uint64_t allowed = 0;
  std::uint64_t allowed_cost = 0;
  std::uint64_t denied = 0;
  std::uint64_t denied_cost = 0;
  std::optional<WallTime> last_allowed_at;
  std::optional<WallTime> last_denied_at;
  std::optional<WallTime> last_reset_at;

  void add_allowed(Units cost, WallTime at) noexcept;
  void add_denied(const Denials& denials) noexcept;

  friend bool operator==(const Counters&, const Counters&) = default;
};

struct KeyEntry {
  KeyId id = 0;
  std::string key;
  Limit limit;
  algorithm::State state;
  Counters counters;
  /// Not logged yet.
  Denials pending;
  /// On the engine's list of keys whose denials the next tick logs.
  bool awaits_tick = false;
  /// Of the last record that tells of this key: replay skips what is not newer.
  storage::Seq last_seq = 0;

  /// The record `seq` tells of this key, and takes what was pending along.
  void note_record(storage::Seq seq) noexcept;
};

inline constexpr std::size_t kMaxKeyId = UINT32_MAX;

/// Threads: guarded by the owner's mutex. Entries never move and are never removed.
class Keys {
 public:
  Keys();

  /// Null without a limit.
  [[nodiscard]] KeyEntry* find(std::string_view key) noexcept;
  /// Null for an id that was never given.
  [[nodiscard]] KeyEntry* find(KeyId id) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] bool full() const noexcept { return entries_.size() > kMaxKeyId; }
  /// The id that the next add() takes.
  [[nodiscard]] KeyId next_id() const noexcept { return static_cast<KeyId>(entries_.size()); }

  /// `key` is not in the table; its id is next_id().
  KeyEntry& add(std::string_view key);
  void clear();

 private:
  // Keys come from users: a seed drawn at start keeps them from being chosen to collide.
  struct Hash {
    using is_avalanching = void;
    std::uint64_t seed;
    std::size_t operator()(std::string_view key) const noexcept;
  };

  std::deque<KeyEntry> entries_;
  boost::unordered_flat_map<std::string_view, KeyEntry*, Hash> by_key_;
};

}  // namespace flint::limiter
