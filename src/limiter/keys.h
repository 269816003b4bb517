#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "algorithm/algorithm.h"
#include "base/coding.h"
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

/// A wall time or none, in the size of a time. Converts to what users see.
class MaybeTime {
 public:
  constexpr MaybeTime() noexcept = default;
  constexpr MaybeTime(std::nullopt_t) noexcept {}               // NOLINT(google-explicit-constructor)
  constexpr MaybeTime(WallTime time) noexcept : time_(time) {}  // NOLINT(google-explicit-constructor)
  constexpr MaybeTime(std::optional<WallTime> time) noexcept    // NOLINT(google-explicit-constructor)
      : time_(time.value_or(kNone)) {}
  [[nodiscard]] constexpr bool has_value() const noexcept { return time_ != kNone; }
  /// There is one.
  [[nodiscard]] constexpr WallTime operator*() const noexcept { return time_; }
  constexpr operator std::optional<WallTime>() const noexcept {  // NOLINT(google-explicit-constructor)
    return has_value() ? std::optional(time_) : std::nullopt;
  }
  friend constexpr bool operator==(const MaybeTime&, const MaybeTime&) noexcept = default;

 private:
  /// No clock shows it: a limiter's wall times begin at 0, less a millisecond.
  static constexpr WallTime kNone = WallTime::min();
  WallTime time_ = kNone;
};

/// The name of a key in one block of the heap that begins with its length, and in one pointer: a std::string takes 24
/// bytes more.
class KeyName {
 public:
  [[nodiscard]] std::string_view view() const noexcept {
    return block_ == nullptr ? std::string_view() : std::string_view(&block_[2], length());
  }
  operator std::string_view() const noexcept { return view(); }  // NOLINT(google-explicit-constructor)
  /// At most kMaxKeyBytes. Keeps its block where malloc would give one of the same size.
  void assign(std::string_view name);

  friend bool operator==(const KeyName& a, std::string_view b) noexcept { return a.view() == b; }

 private:
  [[nodiscard]] std::size_t length() const noexcept {
    return base::load_fixed<std::uint16_t>(reinterpret_cast<const std::byte*>(block_.get()));
  }

  std::unique_ptr<char[]> block_;
};

/// What the log says of a key's past: denials that no record holds yet are not in here.
struct Counters {
  std::uint64_t allowed = 0;
  std::uint64_t allowed_cost = 0;
  std::uint64_t denied = 0;
  std::uint64_t denied_cost = 0;
  MaybeTime last_allowed_at;
  MaybeTime last_denied_at;
  MaybeTime last_reset_at;

  void add_allowed(Units cost, WallTime at) noexcept;
  void add_denied(const Denials& denials) noexcept;

  friend bool operator==(const Counters&, const Counters&) = default;
};

inline constexpr KeyId kNoKey = UINT32_MAX;

struct KeyEntry {
  /// kNoKey once it is removed.
  KeyId id = kNoKey;
  /// Its place in PendingDenials, which keeps it; 0 if it has none.
  std::uint32_t pending_at = 0;
  /// Of the last record that tells of this key: replay skips what is not newer.
  storage::Seq last_seq = 0;
  KeyName key;
  Usage usage;
  Counters counters;

  [[nodiscard]] const Limit& limit() const noexcept { return usage.limit(); }
  /// The record `seq` tells of this key, and of denials before it.
  void note_record(storage::Seq seq, const Denials& denials) noexcept;
};

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
  [[nodiscard]] bool full() const noexcept { return size() >= kNoKey; }
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
  /// The entry is of this table, has no denials pending, and is not to be used any more. Nobody may hold on to it or to
  /// its id.
  void remove(KeyEntry& entry);
  void clear();

 private:
  // Keys come from users: a seed drawn at start keeps them from being chosen to collide.
  struct Hash {
    using is_transparent = void;
    using is_avalanching = void;
    std::uint64_t seed;
    std::size_t operator()(std::string_view key) const noexcept;
    std::size_t operator()(const KeyEntry* entry) const noexcept { return (*this)(entry->key.view()); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const KeyEntry* a, const KeyEntry* b) const noexcept { return a->key == b->key.view(); }
    bool operator()(std::string_view a, const KeyEntry* b) const noexcept { return b->key == a; }
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
