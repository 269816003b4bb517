#pragma once

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <functional>
#include <string>

#include "base/mutex.h"
#include "limiter/event_group.h"
#include "limiter/holds.h"
#include "limiter/keys.h"
#include "limiter/patterns.h"
#include "limiter/persisted_time.h"
#include "limiter/remembered_requests.h"
#include "limiter/snapshot_codec.h"
#include "storage/store.h"

namespace flint::limiter {

/// The limiter's state as its store sees it: rebuilt by replay, written to snapshots piece by piece. Decides nothing.
///
/// Threads: recovery on one thread; afterwards everything is guarded by the mutex that it is given.
class LimiterState final : public storage::Owner {
 public:
  /// `tick` is what on_tick() does; it and `mutex` outlive this object.
  LimiterState(base::Mutex& mutex, std::function<Status()> tick) : mutex_(mutex), tick_(std::move(tick)) {}

  /// After recovery, with the mutex held. Where a repair dropped records that are newer than the snapshot's
  /// position, its entries are the latest there is.
  void catch_up_time() noexcept { time.last = std::max(time.last, newest_loaded_); }

  Limits limits;
  Keys keys;
  Patterns patterns;
  /// What is counted of keys that no pattern counts for any more: they lived by limits that checks carried.
  Counters carried;
  PersistedTime time;
  RememberedRequests requests;
  Holds holds;

  /// The key is gone: takes it out of all tables.
  void remove(KeyEntry& entry);

  /// Does what a record tells of a key that was charged: live and in replay. With `hold`, the units stay held by the
  /// reservation of this number.
  struct Hold {
    std::uint64_t number = 0;
    Nanos ttl{};
    OnExpiry on_expiry = OnExpiry::kKeep;
  };
  Status apply_charge(KeyEntry& entry, const RuledItem& item, const Moment& at, storage::Seq seq, const Hold* hold);
  /// The same of an item of a reservation that is settled.
  Status apply_settled(KeyEntry& entry, const SettledItem& item, const SettledEvent& event, const Moment& at,
                       storage::Seq seq);
  /// The runs of a sliding log of this key changed in the middle: a snapshot that copies them begins anew.
  void runs_changed(const KeyEntry& entry);
  /// Notes in `reservation` what the record `seq` says of it.
  void note_reserved(const ReservedEvent& event, std::span<const RuledItem> charges, const Moment& at,
                     storage::Seq seq);
  /// Where the reservation is not known any more, nothing.
  void note_settled(const SettledEvent& event, const Moment& at, storage::Seq seq);

  void clear() override;
  Status load(std::span<const std::byte> entry, storage::Seq max_seq) override;
  Status replay(const storage::Record& record) override;
  void begin_snapshot() override;
  bool next_entries(const std::function<void(std::span<const std::byte>)>& emit) override;
  Status on_tick() override { return tick_(); }

 private:
  /// The next key that belongs into the snapshot, if there is one among the next `looks` ids.
  KeyEntry* next_key(std::size_t& looks);
  [[nodiscard]] bool is_in_snapshot(const KeyEntry& entry) const {
    return entry.id < cursor_.end && entry.generation < cursor_.generation;
  }
  /// The key, or more of the copy of its runs. True when it is done with, but for the runs that were copied.
  bool add_key(KeyEntry& entry, EntryBuffer& piece);
  [[nodiscard]] static bool copy_runs(const KeyEntry& entry, CopiedRuns& copied);
  /// A piece of a snapshot, behind those of the keys. Whether more follow.
  bool next_requests(const std::function<void(std::span<const std::byte>)>& emit);
  bool next_reservations(const std::function<void(std::span<const std::byte>)>& emit);
  /// `event_`, the record `seq`.
  Status apply_event(storage::Seq seq);
  Status replay_configured(const LogEvent& event, storage::Seq seq);
  Status replay_item(const LogEvent& event, const KeyEvent& item, storage::Seq seq);
  Status replay_ruled(const LogEvent& event, const RuledItem& item, storage::Seq seq, const Hold* hold);
  Status replay_usages(KeyEntry& entry, const RuledItem& item, const Moment& at, storage::Seq seq);
  Status replay_reserved(const LogEvent& event, storage::Seq seq);
  Status replay_settled(const LogEvent& event, storage::Seq seq);
  Status replay_counters(const ForgottenKey& key, storage::Seq seq);
  Status replay_request(RememberedRequest& request);
  Status replay_forgotten(const ForgottenKey& key, storage::Seq seq);
  Status replay_pattern(const LogEvent& event, storage::Seq seq);
  /// The key went while the snapshot was written that replay began with, and before it was written itself: records
  /// that tell of it change nothing.
  [[nodiscard]] bool went_before(KeyId id) const { return !gone_.empty() && gone_.contains(id); }

  base::Mutex& mutex_;
  std::function<Status()> tick_;
  LogEvent event_;
  EventGroup group_;
  Time newest_loaded_{};
  boost::unordered_flat_set<KeyId> gone_;

  struct SnapshotCursor {
    PersistedTime time;
    Counters carried;
    KeyId next = 0;
    /// After the last key that is in the snapshot.
    KeyId written = 0;
    KeyId end = 0;
    /// Keys of this generation came to life after the position: the records that replay starts with bring them.
    std::uint32_t generation = 0;
    bool started = false;
    bool has_keys = true;
    /// Requests whose records are after this one, up to that one, are still to be written.
    storage::Seq requests_after = 0;
    /// Reservations up to this number are written.
    std::uint64_t reservations_after = 0;
    bool has_requests = false;
    bool has_reservations = false;
    storage::Seq last_request = 0;
    /// Of the next key: what is copied so far of its usages that are logs of many runs.
    CopiedRuns copied;
    /// Keys before `end` that are not in the snapshot, since they went before it came to them.
    std::vector<KeyId> gone;
  } cursor_;
};

}  // namespace flint::limiter
