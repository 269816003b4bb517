#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flint/decision.h"
#include "flint/doctor.h"
#include "flint/options.h"
#include "flint/reservation.h"
#include "flint/stats.h"
#include "flint/status.h"

namespace flint {

/// Names a position in the log. An operation is durable once everything up to its ticket is durable.
struct Ticket {
  std::uint64_t seq = 0;
};

/// A decision that was made and logged, but must not be disclosed to anyone before `ticket` is durable.
template <typename T>
struct Deferred {
  T value;
  /// If `ticket.seq` is 0, there is nothing to wait for: a denial, or sync mode batch while its flushes keep up.
  Ticket ticket;
};

struct ListQuery {
  /// Only keys that start with this prefix.
  std::string_view prefix = {};
  /// Only keys after this one, in byte order.
  std::string_view after = {};
  /// At most this many keys.
  std::size_t max_rows = SIZE_MAX;
  /// Also the keys that live by patterns and by limits that checks carried.
  bool keys = false;
};

struct LimitOptions {
  /// Of a pattern: it holds also where a check carries a limit. The modes kShadow and kBlock imply it.
  bool overrides = false;
  Mode mode = Mode::kEnforce;
};

/// A limit, and the key or pattern that it is for.
struct NamedLimit {
  std::string_view key;
  Limit limit;
  LimitOptions options = {};
};

/// Ok, or what Limiter::limit() would refuse of it whatever limits there are: kInvalidArgument that names the field.
Status validate_named_limit(const NamedLimit& limit);

struct ApplyOptions {
  /// Also deletes the limits and patterns that are not among the given ones.
  bool prune = false;
  /// Says what would change, and changes nothing.
  bool dry_run = false;
  /// The limits are those of a file that the program reads. `prune` then deletes only limits that came from it, and
  /// from the first such call on, only another one changes or deletes a limit that came from it: limit(), remove() and
  /// apply() without this fail with kConflict, and remove_prefix() and `prune` leave it.
  bool from_file = false;
};

/// What apply() does to one limit.
struct LimitChange {
  struct Setting {
    Limit limit;
    LimitOptions options = {};
  };
  std::string key;
  /// Nothing if the key had no limit of its own.
  std::optional<Setting> before;
  /// Nothing if the limit is deleted.
  std::optional<Setting> after;
};

struct LimitChanges {
  /// In byte order of the keys.
  std::vector<LimitChange> changes;
  /// How many of the given limits were so already.
  std::uint64_t unchanged = 0;
};

enum class TopBy : std::uint8_t { kDenied, kAllowed };

/// A rate limiter that remembers: it decides whether a request may pass, and writes every unit that it grants to an
/// append-only log under `data_dir` before the call returns.
///
/// Threads: any thread may call any method at any time, also while close() runs. Calls made after close() fail with
/// kClosed; calls in progress complete normally or fail with kClosed. Only the destructor requires that all other calls
/// have returned.
/// Fork: the child's handle refuses every operation with kClosed, writes nothing and holds no lock.
/// Ownership: arguments are copied if they are kept; no returned value refers to the Limiter.
/// Signals: the Limiter does not block, ignore or handle any signal for the process. A write beyond the process's
/// file-size limit (RLIMIT_FSIZE) would raise SIGXFSZ, so the limit is read before each write, and the call fails with
/// kDiskFull. For SIGBUS see Options::map_log.
/// Crash: see Options::sync. A failed call has no effect. The one exception is kStorageFailed: the record of the call
/// that met the failure is on disk either completely or not at all.
class Limiter {
 public:
  /// Opens `data_dir`, recovers its contents, and owns it until closed. Fails with kDataDirLocked (the message names
  /// the owner), kCorruption, kUnsupportedFormat, kPermission, kNotFound (read-only and absent), kInvalidArgument (an
  /// option out of range), kDiskFull, kIoError or kClosed (Options::stop_opening). A failed open changes nothing that
  /// was on disk.
  ///
  /// kDiskFull is for a directory that holds no Flint data yet. A directory that holds data also opens on a full disk:
  /// reads work, denied checks are answered, and every operation that must be logged, flush() and compact() included,
  /// fails with kDiskFull. As soon as there is space, the Limiter continues by itself. Until then Stats::waits_for_room
  /// is true, and usage recovered after an unclean stop may not survive a crash of the machine; nothing confirms it as
  /// durable.
  static Result<std::unique_ptr<Limiter>> open(std::string_view data_dir, const Options& options = {});

  /// Like open(), but over a directory in memory, which ends with the Limiter: for tests, and for limits that need not
  /// outlive the process.
  static Result<std::unique_ptr<Limiter>> open_in_memory(const Options& options = {});

  /// Closes the Limiter, but does not report whether that succeeded: call close() to find out.
  ~Limiter();
  Limiter(const Limiter&) = delete;
  Limiter& operator=(const Limiter&) = delete;

  /// Sets the limit of a key or of a pattern. A new key starts with full quota. If it already has these values, nothing
  /// is written. If the values differ, usage stays, up to the new capacity: remaining is the new capacity minus the
  /// units in use, at least 0; a changed pattern does that for each of its keys, at once.
  ///
  /// A name that ends in `*` is a pattern's: it gives every key that begins with what is before the `*` a usage of its
  /// own, from its first allowed check on. Fails with kInvalidArgument if `*` is anywhere else in a new name.
  ///
  /// A change of the mode alone leaves all usage as it is. A call that does not say the mode sets kEnforce.
  Status limit(std::string_view key, const Limit& limit, const LimitOptions& options = {});

  /// Sets up to kMaxLimitsAtOnce limits of different keys and patterns, each as limit() does: all of them or, on any
  /// failure and after a crash, none. No check is decided in between, and a deletion is that of remove(). With `prune`,
  /// a limit that another call sets meanwhile may stay.
  ///
  /// Fails with kInvalidArgument, which names the limit and its field, as in `limits[3].rate`.
  Result<LimitChanges> apply(std::span<const NamedLimit> limits, const ApplyOptions& options = {});

  /// Decides whether `cost` units of `key` may pass now and, if so, consumes them.
  ///
  /// The limit that holds is the one that was set for exactly this key; else that of the longest matching pattern that
  /// overrides; else the one that the check carries, if it does; else that of the longest matching pattern. A key that
  /// is decided by several limits in turn has its usage counted under each of the last four, so that to alternate
  /// between them grants nothing: a limit that is new to the key begins with what is in use under the latest.
  /// A key that has no limit of its own is forgotten once its full quota is back, which changes no decision.
  ///
  /// A check with a request id that consumed something is remembered for ten minutes, also across restarts and crashes:
  /// a repeat with the same arguments consumes and counts nothing, and gets the first decision, but without
  /// Decision::windows. The 1,000,000 latest are remembered. With other arguments (key, cost or carried limit) a known
  /// id fails with kRequestIdConflict; with `dry_run`, any id is kInvalidArgument.
  ///
  /// Fails with kLimitNotFound if no limit holds, and with kInvalidArgument if the cost is 0, above kMaxUnits, or above
  /// the capacity of a limit that is enforced (it could never pass), if the carried limit is not valid, or if `key` is
  /// the name of a pattern.
  Result<Decision> check(std::string_view key, Units cost = 1);
  Result<Decision> check(std::string_view key, Units cost, const CheckOptions& options);

  /// Makes one decision over 1 to kMaxCheckAllItems distinct keys: all are consumed, or none. Writes one log record. An
  /// error in any item (no limit, key given twice, cost above its capacity) fails the whole call, and nothing is
  /// consumed or counted. The names of new keys may have some 48 KiB together; beyond that it fails with
  /// kInvalidArgument.
  Result<CheckAllResult> check_all(std::span<const CheckItem> items, const CheckAllOptions& options = {});

  /// Up to kMaxBatchChecks checks in one call, each decided by itself, in the given order, as check() would. A result
  /// is a decision, or the failure of its check: kInvalidArgument, kLimitNotFound, kDiskFull or kIoError, which leaves
  /// the other checks as they are. The checks share one wait for storage. Other threads' calls may come in between two
  /// of them.
  ///
  /// The whole call fails with kInvalidArgument if there are too many checks, and with kDiskFull or kIoError if every
  /// check failed so: nothing was consumed. It fails with kStorageFailed, kClosed or kPermission as check() does; what
  /// the checks before such a failure consumed stays consumed.
  Result<std::vector<Result<Decision>>> check_batch(std::span<const BatchCheck> checks);

  /// Counts usage that has happened, also beyond the limit: what exceeds it is a debt, during which everything is
  /// denied until it is worked off as usage is. Never denied for lack of quota; Decision::allowed says whether the cost
  /// fitted. No more than kMaxUnits are ever in use: what is beyond is not counted. A request id is that of a check.
  ///
  /// Fails with kLimitNotFound if no limit holds, and with kInvalidArgument if the cost is 0 or above kMaxUnits, if the
  /// carried limit is not valid, if `key` is the name of a pattern, or if its limit is a kConcurrency. A mode kBlock
  /// does not keep it from counting, and neither does a full table of keys: it then counts nothing.
  Result<Decision> charge(std::string_view key, Units cost, const ChargeOptions& options = {});

  /// Decides like check_all() and, if all items are allowed, charges them now and holds them until commit(), cancel()
  /// or, at the latest, the end of `ttl`. The only way to take slots of a kConcurrency. Fails with kReservationsFull if
  /// kMaxReservations are held already.
  Result<ReserveResult> reserve(std::span<const CheckItem> items, const ReserveOptions& options);

  /// Settles a reservation at what it really cost: an item that cost less than was reserved is refunded, one that cost
  /// more is charged as charge() does. Items that `costs` does not name cost what was reserved. Slots are released. A
  /// reservation that has expired is settled against what was kept or returned.
  ///
  /// A refund gives back what was taken and is still in use, and never leaves less in use than if it had not been
  /// taken: what a bucket has refilled meanwhile, and what a window has forgotten, is not given back. Nothing is given
  /// back of what was taken before a reset, a deletion, another algorithm, or a limit that was lowered below what was
  /// in use.
  ///
  /// Settling again answers what the first time answered. Fails with kReservationNotFound if the reservation is not
  /// known (any more), and with kInvalidArgument for a key that it does not hold, a key given twice, or a cost above
  /// kMaxUnits or, of slots, above what was reserved.
  Result<Settlement> commit(std::string_view reservation, std::span<const ActualCost> costs = {});
  /// commit() at costs of 0.
  Result<Settlement> cancel(std::string_view reservation);
  /// The reservation expires `ttl` from now, and so do its slots, at most a `per` from now. Fails with
  /// kReservationNotFound also if it is settled or has expired.
  Result<ReservationStatus> renew(std::string_view reservation, Nanos ttl);
  /// Fails with kReservationNotFound.
  [[nodiscard]] Result<ReservationStatus> reservation(std::string_view reservation) const;

  /// The same operations in two steps, for callers that serve many clients from one thread: decide and log now, answer
  /// when durable. These calls never block on storage, except for the rare start of a log segment. A failed call leaves
  /// `*ticket` unchanged.
  Status limit_deferred(std::string_view key, const Limit& limit, Ticket* ticket, const LimitOptions& options = {});
  Result<Deferred<Decision>> check_deferred(std::string_view key, Units cost = 1);
  Result<Deferred<Decision>> check_deferred(std::string_view key, Units cost, const CheckOptions& options);
  Result<Deferred<CheckAllResult>> check_all_deferred(std::span<const CheckItem> items,
                                                      const CheckAllOptions& options = {});
  Result<Deferred<std::vector<Result<Decision>>>> check_batch_deferred(std::span<const BatchCheck> checks);
  Result<Deferred<Decision>> charge_deferred(std::string_view key, Units cost, const ChargeOptions& options = {});
  Result<Deferred<ReserveResult>> reserve_deferred(std::span<const CheckItem> items, const ReserveOptions& options);
  Result<Deferred<Settlement>> commit_deferred(std::string_view reservation, std::span<const ActualCost> costs = {});
  Result<Deferred<Settlement>> cancel_deferred(std::string_view reservation);
  Result<Deferred<ReservationStatus>> renew_deferred(std::string_view reservation, Nanos ttl);
  Status reset_deferred(std::string_view key, Ticket* ticket);
  Status remove_deferred(std::string_view key, Ticket* ticket);

  /// Returns when everything up to `ticket`, which came from this Limiter, is on stable storage; fails with
  /// kStorageFailed if that is unknown, and with kDiskFull if it is unknown because the Limiter has had no space since
  /// its open. Waiting threads share one sync. Also works after close(), which makes everything decided before it
  /// durable.
  Status wait(Ticket ticket);

  /// Calls `done` once: with success when everything up to `ticket` is on stable storage, otherwise with what wait()
  /// returns. `done` runs on the committing thread, or inside this call if the result is already known. It must be
  /// quick, must not throw, and must not call back into this Limiter, except for is_durable().
  void when_durable(Ticket ticket, std::function<void(const Status&)> done);
  [[nodiscard]] bool is_durable(Ticket ticket) const noexcept;

  /// Of a key, also of one that a pattern matches and that was never used; or of a pattern. Fails with kLimitNotFound
  /// if no limit holds. Changes nothing: polling does not slow a refill. That of a pattern sums up its keys, some at a
  /// time: checks continue, and the sum does not show one instant.
  [[nodiscard]] Result<LimitStatus> status(std::string_view key) const;

  /// The limit that was set for exactly this key or pattern; none if there is none.
  [[nodiscard]] std::optional<Limit> limit_of(std::string_view key) const;

  /// Lists limits and patterns, and with `query.keys` also keys without a limit of their own, in byte order. Checks
  /// continue concurrently: each status is exact, but the list does not show one instant.
  [[nodiscard]] Result<std::vector<LimitStatus>> list(const ListQuery& query = {}) const;

  /// Gives `key` its full quota back; its counters stay. Of a pattern: each of its keys, some at a time, while checks
  /// continue. Fails with kLimitNotFound if no limit holds for the key.
  Status reset(std::string_view key);

  /// Deletes the limit of a key and forgets the key with its usage, which forgives it; a pattern that matches it holds
  /// from then on. Of a pattern: its keys fall to the next pattern that matches, and what they have in use stays in
  /// use. Fails with kLimitNotFound if there is neither a limit nor a key of this name.
  Status remove(std::string_view key);

  /// reset() or remove() of every limit, pattern and key whose name begins with `prefix`, which is not empty; returns
  /// how many there were. Some at a time: checks continue, and what a crash cuts short is done in part.
  Result<std::uint64_t> reset_prefix(std::string_view prefix);
  Result<std::uint64_t> remove_prefix(std::string_view prefix);

  /// The newest `limit` events of `key` that the log on disk still retains, newest last. Fails with kLimitNotFound if
  /// no limit holds for the key. Reads files, so it takes time in proportion to the retained log. Checks continue
  /// concurrently.
  [[nodiscard]] Result<std::vector<Event>> history(std::string_view key, std::size_t limit = 100) const;

  /// The `limit` keys with the most denials (or grants) since they were first configured, most first; ties in byte
  /// order. Keys that have none are omitted, and so are patterns.
  [[nodiscard]] Result<std::vector<LimitStatus>> top(TopBy by, std::size_t limit = 20) const;

  /// Writes a snapshot and drops the log before the previous snapshot. Checks continue concurrently.
  Status compact();

  /// Returns when everything that was decided before the call, denial counts included, is on stable storage.
  Status flush();

  /// Reports everything that an operator should know. After close(), or in a forked child, the report is not ok and
  /// says why.
  [[nodiscard]] DoctorReport doctor() const;
  [[nodiscard]] Stats stats() const;

  /// Ok, or the reason why the Limiter accepts no changes. Does not block.
  [[nodiscard]] Status health() const;

  /// Flushes, marks a clean close and releases the directory. A second call does nothing and returns the result of the
  /// first. kDiskFull: denial counts could not be logged, or nothing proves that all of the log is on stable storage;
  /// no grant is lost.
  Status close();

 private:
  class Impl;
  explicit Limiter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flint
