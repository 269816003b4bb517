#pragma once

#include <algorithm>
#include <array>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithm/algorithm.h"
#include "base/arithmetic.h"
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

/// The name of a key: in place where it is short, as most are, else in a block of the heap.
class KeyName {
 public:
  /// So many bytes are in place. More would cost every key, and fewer an allocation and a cache miss for an address or
  /// the name of a user.
  static constexpr std::size_t kInPlace = 22;

  KeyName() noexcept = default;
  KeyName(KeyName&& other) noexcept { swap(other); }
  KeyName& operator=(KeyName&& other) noexcept {
    swap(other);
    return *this;
  }
  ~KeyName() {
    if (is_apart()) delete[] block();
  }

  [[nodiscard]] std::string_view view() const noexcept { return {is_apart() ? block() : bytes_.data(), length_}; }
  operator std::string_view() const noexcept { return view(); }  // NOLINT(google-explicit-constructor)
  /// At most kMaxKeyBytes.
  void assign(std::string_view name);

  friend bool operator==(const KeyName& a, std::string_view b) noexcept { return a.view() == b; }

 private:
  [[nodiscard]] bool is_apart() const noexcept { return length_ > kInPlace; }
  [[nodiscard]] char* block() const noexcept {
    char* block = nullptr;
    std::memcpy(&block, bytes_.data(), sizeof(block));
    return block;
  }
  void swap(KeyName& other) noexcept {
    std::swap(length_, other.length_);
    std::swap(bytes_, other.bytes_);
  }

  std::uint16_t length_ = 0;
  /// The name, or the pointer to its block.
  std::array<char, kInPlace> bytes_{};
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

/// 120 bytes, of which a million keys cost 120 MB: what few keys have is apart.
class KeyEntry {
 public:
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

  [[nodiscard]] const Limit& limit() const noexcept { return usage.limit(); }

  /// How many it has: of a born key, also those of the other rules that it was decided by.
  [[nodiscard]] std::size_t usages() const noexcept { return 1 + (others() == nullptr ? 0 : others()->size()); }
  /// The first one is `usage`, the others follow, the latest first.
  [[nodiscard]] Usage& usage_at(std::size_t index) noexcept { return index == 0 ? usage : (*others())[index - 1]; }
  [[nodiscard]] const Usage& usage_at(std::size_t index) const noexcept {
    return const_cast<KeyEntry*>(this)->usage_at(index);
  }
  /// Of this rule; null if it has none.
  [[nodiscard]] Usage* find_usage(const Rule& rule) noexcept {
    if (usage.rule == rule) return &usage;
    return others() == nullptr ? nullptr : find_other(rule);
  }
  template <typename Visit>
  void for_each_usage(const Visit& visit) {
    visit(usage);
    if (others() == nullptr) return;
    for (Usage& other : *others()) visit(other);
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

  /// What reservations hold of it; null if nothing was held yet.
  [[nodiscard]] Held* held() noexcept { return rare_ == nullptr ? nullptr : rare_->held.get(); }
  [[nodiscard]] const Held* held() const noexcept { return rare_ == nullptr ? nullptr : rare_->held.get(); }
  /// Makes one if there is none yet.
  [[nodiscard]] Held& make_held();
  /// Before `cost` is charged to all of its usages, or before a refund (0): see Held::work_off().
  void work_off(Units cost, Time now) {
    if (held() != nullptr) [[unlikely]]
      work_off_held(cost, now);
  }
  [[nodiscard]] bool holds_something(Time now);

  /// Gives it another limit, under which `next` is in use at `now`: its only usage from then on.
  void change_limit(Rule rule, algorithm::State next, Time now);
  /// The same limit in another mode.
  void change_mode(Rule rule);
  /// All quota is there again; what is held stays held, and nothing of it is given back any more.
  void reset(Time now);
  /// Makes these, the latest first, all of its usages; at least one. They are moved from.
  void set_usages(std::span<Usage> usages);
  /// Brings each usage to the version of its pattern that holds: as if that had been done when the pattern changed,
  /// since a state changes by events alone. So a change of a pattern is one record, however many keys it has.
  void follow_patterns() {
    if (!usage.rule.is_current() || others() != nullptr) [[unlikely]]
      follow_changes();
  }
  /// All usages are as good as those of a key that was never seen.
  [[nodiscard]] bool is_fresh(algorithm::Now now) const;

  [[nodiscard]] Counters counters() const noexcept;
  void set_counters(const Counters& counters);
  void add_allowed(Units cost, WallTime at) noexcept {
    ++allowed_;
    allowed_cost_ = base::saturating_add(allowed_cost_, cost);
    last_allowed_at_ = at;
  }
  /// What was allowed has cost so much more in the end, or so much less.
  void correct_cost(Units more, Units less) noexcept {
    allowed_cost_ = base::saturating_add(allowed_cost_, more);
    allowed_cost_ -= std::min(allowed_cost_, less);
  }
  /// Sums, and the later of the times.
  void add_counters(const Counters& other);
  void add_would_deny(const Denials& denials);
  void note_reset(WallTime at);
  /// The record `seq` tells of this key, and of denials before it.
  void note_record(storage::Seq seq, const Denials& denials) {
    if (denials.count > 0) [[unlikely]]
      add_denied(denials);
    last_seq = seq;
  }

 private:
  /// What few keys have.
  struct Rare {
    std::uint64_t denied = 0;
    std::uint64_t denied_cost = 0;
    MaybeTime last_denied_at;
    MaybeTime last_reset_at;
    std::uint64_t would_deny = 0;
    /// Usages but for the first one; null if there are none.
    std::unique_ptr<std::vector<Usage>> others;
    std::unique_ptr<Held> held;
  };
  [[nodiscard]] std::vector<Usage>* others() noexcept { return rare_ == nullptr ? nullptr : rare_->others.get(); }
  [[nodiscard]] const std::vector<Usage>* others() const noexcept {
    return rare_ == nullptr ? nullptr : rare_->others.get();
  }
  [[nodiscard]] Rare& make_rare() {
    if (rare_ == nullptr) rare_ = std::make_unique<Rare>();
    return *rare_;
  }
  [[nodiscard]] Usage* find_other(const Rule& rule) noexcept;
  void drop_others() noexcept {
    if (rare_ != nullptr) rare_->others.reset();
  }
  void work_off_held(Units cost, Time now);
  void follow_changes();
  void add_denied(const Denials& denials);

  // Its counters, but for those that most keys do not have.
  std::uint64_t allowed_ = 0;
  std::uint64_t allowed_cost_ = 0;
  MaybeTime last_allowed_at_;
  std::unique_ptr<Rare> rare_;
};
static_assert(sizeof(KeyEntry) == 120);

/// The keys, by name and by id. An entry stays where it is until it is removed; its id is then given to the next new
/// key. Threads: guarded by the owner's mutex.
class Keys {
 public:
  Keys();

  /// Null if it is not there.
  [[nodiscard]] KeyEntry* find(std::string_view key) noexcept;
  /// Null for an id that no key has.
  [[nodiscard]] KeyEntry* find(KeyId id) noexcept {
    if (!is_made(id)) return nullptr;
    KeyEntry& entry = slot(id);
    return entry.id == id ? &entry : nullptr;
  }
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
