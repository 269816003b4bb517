#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "algorithm/algorithm.h"
#include "limiter/event_codec.h"
#include "limiter/limits.h"

/// Everything that is known of every key, in memory.
namespace flint::limiter {

/// How much is used, counted by one rule. The state is one of the rule's algorithm.
struct Usage {
  Rule rule;
  algorithm::State state;

  [[nodiscard]] const Limit& limit() const noexcept { return rule.limit(); }
};

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
  /// On the engine's list of keys whose denials the next tick logs.
  bool awaits_tick = false;
  /// Not a key that was removed, or that is not there yet.
  bool present = false;
  /// Of the last record that tells of this key: replay skips what is not newer.
  storage::Seq last_seq = 0;
  std::string key;
  Usage usage;
  Counters counters;
  /// Not logged yet.
  Denials pending;

  [[nodiscard]] const Limit& limit() const noexcept { return usage.limit(); }
  /// The record `seq` tells of this key, and takes what was pending along.
  void note_record(storage::Seq seq) noexcept;
};

inline constexpr std::size_t kMaxKeyId = UINT32_MAX;

/// The keys, by name and by id. An entry stays where it is until it is removed; its id is then given to the next new
/// key. Threads: guarded by the owner's mutex.
class Keys {
 public:
  Keys();

  /// Null if it is not there.
  [[nodiscard]] KeyEntry* find(std::string_view key) noexcept;
  /// Null for an id that no key has.
  [[nodiscard]] KeyEntry* find(KeyId id) noexcept;
  /// The key with the lowest id from `id` on; null after the last one.
  [[nodiscard]] KeyEntry* next(KeyId id) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return by_key_.size(); }
  [[nodiscard]] bool full() const noexcept { return size() > kMaxKeyId; }
  /// The id of the next new key: the lowest one that is free, so that it follows from which keys there are, and not
  /// from what happened to others before.
  [[nodiscard]] KeyId next_id() const noexcept;
  /// All ids are below.
  [[nodiscard]] std::size_t end_id() const noexcept { return by_key_.size() + free_.size(); }

  struct Place {
    /// Null if the key is not there and the table is full.
    KeyEntry* entry = nullptr;
    /// The key was not there: its entry is new, with the id that was next_id().
    bool is_new = false;
  };
  /// Finds the entry of `key` or makes one, in one look-up.
  [[nodiscard]] Place find_or_add(std::string_view key);
  /// `key` is not in the table, which is not full.
  KeyEntry& add(std::string_view key);
  /// The entry is of this table, and not to be used any more. Nobody may hold on to it or to its id.
  void remove(KeyEntry& entry);
  void clear();

 private:
  // Keys come from users: a seed drawn at start keeps them from being chosen to collide.
  struct Hash {
    using is_transparent = void;
    using is_avalanching = void;
    std::uint64_t seed;
    std::size_t operator()(std::string_view key) const noexcept;
    std::size_t operator()(const KeyEntry* entry) const noexcept { return (*this)(std::string_view(entry->key)); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const KeyEntry* a, const KeyEntry* b) const noexcept { return a->key == b->key; }
    bool operator()(std::string_view a, const KeyEntry* b) const noexcept { return a == b->key; }
    bool operator()(const KeyEntry* a, std::string_view b) const noexcept { return a->key == b; }
  };

  // Entries are made by the chunk: they never move, and none is copied because the table grows.
  static constexpr std::size_t kChunk = 64;
  [[nodiscard]] KeyEntry& slot(std::size_t id) noexcept { return chunks_[id / kChunk][id % kChunk]; }

  boost::unordered_flat_set<KeyEntry*, Hash, Equal> by_key_;
  std::vector<std::unique_ptr<KeyEntry[]>> chunks_;
  /// Ids below end_id() that no key has: a heap, the lowest on top.
  std::vector<KeyId> free_;
};

}  // namespace flint::limiter
