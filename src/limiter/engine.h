#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "flint/limiter.h"
#include "io/file_system.h"
#include "io/fork_guard.h"
#include "limiter/key_order.h"
#include "limiter/limiter_clock.h"
#include "limiter/limiter_state.h"
#include "limiter/pending_denials.h"
#include "storage/store.h"

namespace flint::limiter {

/// The limiter over any directory: flint::Limiter (whose contracts hold here) opens one over the machine's files, tests
/// over files in memory.
///
/// One check is one critical section under the engine's mutex, which the store borrows: look up, read the clock,
/// decide, append the record, apply. What waits for storage waits outside it.
class Engine {
 public:
  /// `tuning` gives what Options does not: segment sizes, and whether a background thread runs.
  static Result<std::unique_ptr<Engine>> open(std::unique_ptr<io::Directory> directory, const Options& options,
                                              const storage::StoreOptions& tuning = {});
  /// In a forked child nothing is touched.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  Result<Ticket> limit(std::string_view key, const Limit& limit);
  Result<Deferred<Decision>> check(std::string_view key, Units cost);
  Result<Deferred<CheckAllResult>> check_all(std::span<const CheckItem> items);
  Result<Ticket> reset(std::string_view key);

  Status wait(Ticket ticket);
  void when_durable(Ticket ticket, std::function<void(const Status&)> done);
  [[nodiscard]] bool is_durable(Ticket ticket) const noexcept;

  [[nodiscard]] Result<LimitStatus> status(std::string_view key);
  [[nodiscard]] Result<std::vector<LimitStatus>> list(const ListQuery& query);
  [[nodiscard]] Result<std::vector<flint::Event>> history(std::string_view key, std::size_t limit);
  [[nodiscard]] Result<std::vector<LimitStatus>> top(TopBy by, std::size_t limit);

  /// Makes `keys` all that the limiter holds, with their rules, and with no record of how they came to be so; their
  /// times are not after now.
  /// Nothing else was called yet. kInvalidArgument when there are keys already, unless an adoption before this one was
  /// cut short, which `tuning.accept_unfinished_import` let open() see: its keys are replaced. On any other failure,
  /// and after a crash, the directory holds no keys, or does not open without that; once this returns Ok, all of them
  /// are durable.
  Status adopt(Keys keys);

  Status compact();
  Status flush();
  [[nodiscard]] DoctorReport doctor();
  [[nodiscard]] Stats stats();
  [[nodiscard]] Status health() const;
  /// One turn of the background work, for tests that run without the thread.
  Status tick();
  Status close();

 private:
  Engine(std::unique_ptr<io::Directory> directory, const Options& options);
  /// Not analysed: it lends the state to the store without the mutex. Nobody else knows of the engine during recovery,
  /// and from then on the store calls the state as Owner says, begin_snapshot() and on_tick() with the mutex held.
  Status open_store(const storage::StoreOptions& tuning) FLINT_NO_THREAD_SAFETY_ANALYSIS;
  void start_clock();

  /// False in a forked child. Nothing there may reach the mutexes or the store, whose threads do not exist in it.
  [[nodiscard]] bool is_ours() const noexcept { return io::fork_generation() == fork_generation_; }
  /// Ok if this Limiter is open: not closed, not in a forked child.
  [[nodiscard]] Status check_open() const;
  /// Ok if a denial may be counted, which no append refuses.
  [[nodiscard]] Status check_writable() const;
  [[nodiscard]] Ticket ticket(storage::Seq seq, const Moment& at) noexcept FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<storage::Seq> append(const EventWriter& event, const Moment& at) FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<Ticket> configure(KeyEntry& entry, bool is_new, const Limit& limit, const Moment& at)
      FLINT_REQUIRES(mutex_);

  /// One item of a check: found (or not), then decided.
  struct Item {
    KeyEntry* entry = nullptr;
    Units cost = 0;
    algorithm::Outcome outcome;
  };
  [[nodiscard]] static bool could_pass(const Item& item);
  [[nodiscard]] static Status why_not(const Item& item, std::string_view key);
  [[nodiscard]] static Status check_distinct(std::span<const Item> items);
  /// Decides the items in their order, up to the first one that denies, and logs and applies them if all are allowed.
  /// The items after that one are not decided: theirs is the verdict of a denial without a reason.
  [[nodiscard]] Result<Ticket> decide(std::span<Item> items, const Moment& at) FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<Ticket> grant(std::span<const Item> items, const Moment& at) FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<Ticket> deny(std::span<Item> items, const Moment& at) FLINT_REQUIRES(mutex_);
  [[nodiscard]] static Decision decision(const Item& item, const Moment& at);
  /// The record `seq` tells of the key, with the denials that were pending.
  void note_record(KeyEntry& entry, storage::Seq seq) FLINT_REQUIRES(mutex_);
  Status tick_state() FLINT_REQUIRES(mutex_);
  Status log_denials() FLINT_REQUIRES(mutex_);
  void log_jump() FLINT_REQUIRES(mutex_);
  void log_clock(const Moment& at) FLINT_REQUIRES(mutex_);
  void map_files(DoctorReport& report);
  void report_slow_disk(DoctorReport& report) FLINT_REQUIRES(mutex_);
  [[nodiscard]] LimitStatus describe(const KeyEntry& entry, const Moment& at) const FLINT_REQUIRES(mutex_);
  /// Appends the status of each to `statuses`, some at a time, releasing the mutex in between.
  void describe(std::span<const KeyEntry* const> entries, std::vector<LimitStatus>& statuses);
  [[nodiscard]] std::vector<const KeyEntry*> in_order(std::string_view prefix, std::string_view from, bool inclusive,
                                                      std::size_t most);
  [[nodiscard]] std::vector<const KeyEntry*> keys_from(std::size_t first_id);
  /// Calls `visit` for every key, with its pending denials, some at a time, releasing the mutex in between.
  template <typename Visit>
  Status for_each_key(const Visit& visit);

  std::unique_ptr<io::Directory> directory_;
  Options options_;
  const std::uint64_t fork_generation_;
  /// Lent to the store, which appends under it.
  base::Mutex mutex_;
  LimiterState state_ FLINT_GUARDED_BY(mutex_);
  std::unique_ptr<storage::Store> store_;
  /// The store's.
  storage::UnsyncedAge* unsynced_ FLINT_PT_GUARDED_BY(mutex_) = nullptr;
  std::optional<LimiterClock> clock_ FLINT_GUARDED_BY(mutex_);
  std::atomic<bool> closed_ = false;

  PendingDenials pending_ FLINT_GUARDED_BY(mutex_);
  std::uint64_t allowed_ FLINT_GUARDED_BY(mutex_) = 0;
  std::uint64_t denied_ FLINT_GUARDED_BY(mutex_) = 0;

  /// Taken before mutex_.
  base::Mutex order_mutex_;
  KeyOrder order_ FLINT_GUARDED_BY(order_mutex_);
};

/// What every call says in a forked child.
[[nodiscard]] Status belongs_to_parent();
/// Why a key that is not in the table cannot be used: it is no key at all, or nobody gave it a limit.
[[nodiscard]] Status no_limit(std::string_view key);
/// A reset_at as users see it.
[[nodiscard]] WallTime shown_reset(const Moment& at, Nanos after) noexcept;

}  // namespace flint::limiter
