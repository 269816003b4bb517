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
#include "limiter/counters.h"
#include "limiter/held.h"
#include "limiter/limits.h"
#include "limiter/ruled_events.h"

/// Everything that is known of every key, in memory.
namespace flint::limiter {

/// How much is used, counted by one rule. The state is one of the rule's algorithm.
struct Usage {
  Rule rule;
  algorithm::State state;

  [[nodiscard]] const Limit& limit() const noexcept { return rule.limit(); }
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

inline constexpr KeyId kNoKey = UINT32_MAX;
/// Ids are below: what a snapshot says of them costs no more memory than this.
inline constexpr std::size_t kMaxKeys = std::size_t{1} << 27;

/// Why a key is there.
enum class KeyKind : std::uint8_t {
  /// A limit was set for it.
  kSet,
  /// It is the name of a pattern, and has the rule; its usage counts nothing.
  kPattern,
  /// A check brought it to life, by the rule of a pattern or with a limit that it carried.
  kBorn,
};

struct KeyEntry {
  /// kNoKey once it is removed.
  KeyId id = kNoKey;
  /// Its place in PendingDenials, which keeps it; 0 if it has none.
  std::uint32_t pending_at = 0;
  KeyKind kind = KeyKind::kSet;
  /// Its limit came from a limits file; never of a born key.
  bool from_file = false;
  /// The generation in which it came to life.
  std::uint32_t generation = 0;
  /// Of the last record that tells of this key: replay skips what is not newer.
  storage::Seq last_seq = 0;
  KeyName key;
  /// That of the rule that decided last.
  Usage usage;
  /// Of a born key, those of the other rules that it was decided by, the latest first; null if there are none.
  std::unique_ptr<std::vector<Usage>> others;
  /// What reservations hold of it; null if nothing was held yet.
  std::unique_ptr<Held> held;
  Counters counters;

  [[nodiscard]] const Limit& limit() const noexcept { return usage.limit(); }
  /// Of this rule; null if it has none.
  [[nodiscard]] Usage* find_usage(const Rule& rule) noexcept;
  template <typename Visit>
  void for_each_usage(const Visit& visit) {
    visit(usage);
    if (others == nullptr) return;
    for (Usage& other : *others) visit(other);
  }
  template <typename Visit>
  void for_each_usage(const Visit& visit) const {
    const_cast<KeyEntry*>(this)->for_each_usage([&](const Usage& each) { visit(each); });
  }
  /// Calls `visit` with each usage, its number and the index of each of its windows.
  template <typename Visit>
  void for_each_window(const Visit& visit) const {
    std::size_t at = 0;
    for_each_usage([&](const Usage& each) {
      for (std::size_t window = 0; window < each.limit().window_count(); ++window) visit(each, at, window);
      ++at;
    });
  }
  [[nodiscard]] std::size_t usages() const noexcept { return 1 + (others == nullptr ? 0 : others->size()); }
  /// Before `cost` is charged to all of its usages, or before a refund (0): see Held::work_off().
  void work_off(Units cost, Time now);
  [[nodiscard]] bool holds_something(Time now);
  /// Gives it another limit, under which `next` is in use at `now`: its only usage from then on.
  void change_limit(Rule rule, algorithm::State next, Time now);
  /// The same limit in another mode.
  void change_mode(Rule rule);
  /// All quota is there again; what is held stays held, and nothing of it is given back any more.
  void reset(Time now);
  /// Makes these, the latest first, all of its usages; at least one.
  void set_usages(std::vector<Usage> usages);
  /// Brings each usage to the version of its pattern that holds: as if that had been done when the pattern changed,
  /// since a state changes by events alone. So a change of a pattern is one record, however many keys it has.
  void follow_patterns();
  /// All usages are as good as those of a key that was never seen.
  [[nodiscard]] bool is_fresh(algorithm::Now now) const;

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
  /// No new key has a place.
  [[nodiscard]] bool full() const noexcept { return size() == kMaxKeys; }
  /// How many were born.
  [[nodiscard]] std::size_t born() const noexcept { return born_; }
  /// The id of the next new key.
  [[nodiscard]] KeyId next_id() noexcept;
  /// All ids are below.
  [[nodiscard]] std::size_t end_id() const noexcept { return end_id_; }
  /// Keys that come to life from here on are of a new generation, which is returned. A snapshot leaves those out that
  /// are younger than it: an id must not stand for one key in it and for another in the records behind it.
  std::uint32_t begin_generation() noexcept { return ++generation_; }

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
  /// Under an id that no key has, below kMaxKeys; ids below it that are new are free. Null if `key` is there.
  [[nodiscard]] KeyEntry* add_at(KeyId id, std::string_view key);
  /// Ids from end_id() to `end`, which is not above kMaxKeys, are free.
  void add_free_ids(std::size_t end);
  void set_kind(KeyEntry& entry, KeyKind kind) noexcept;
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

  /// The entry under an id that is free, made if need be.
  KeyEntry& make_slot(KeyId id);
  [[nodiscard]] bool is_made(std::size_t id) const noexcept {
    return id / kChunk < chunks_.size() && chunks_[id / kChunk] != nullptr;
  }

  boost::unordered_flat_set<KeyEntry*, Hash, Equal> by_key_;
  /// Null where no id was ever used.
  std::vector<std::unique_ptr<KeyEntry[]>> chunks_;
  std::size_t end_id_ = 0;
  /// All ids below that no key has, the next one last; and some that a key has taken since, which are passed over.
  std::vector<KeyId> free_;
  std::uint32_t generation_ = 0;
  std::size_t born_ = 0;
};

}  // namespace flint::limiter
