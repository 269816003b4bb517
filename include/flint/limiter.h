#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flint/decision.h"
#include "flint/doctor.h"
#include "flint/options.h"
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
  std::string_view prefix;
  /// Only keys after this one, in byte order.
  std::string_view after;
  /// At most this many keys.
  std::size_t max_rows = SIZE_MAX;
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

  /// Sets the limit of a key. A new key starts with full quota. If the key already has these values, nothing is
  /// written. If the values differ, usage stays, up to the new capacity: remaining is the new capacity minus the units
  /// in use, at least 0.
  Status limit(std::string_view key, const Limit& limit);

  /// Decides whether `cost` units of `key` may pass now and, if so, consumes them. Fails with kLimitNotFound if the key
  /// has no limit, and with kInvalidArgument if the cost is 0, above kMaxUnits, or above the capacity (it could never
  /// pass).
  Result<Decision> check(std::string_view key, Units cost = 1);

  /// Makes one decision over 1 to kMaxCheckAllItems distinct keys: all are consumed, or none. Writes one log record. An
  /// error in any item (unknown key, key given twice, cost above its capacity) fails the whole call, and nothing is
  /// consumed or counted.
  Result<CheckAllResult> check_all(std::span<const CheckItem> items);

  /// The same operations in two steps, for callers that serve many clients from one thread: decide and log now, answer
  /// when durable. These calls never block on storage, except for the rare start of a log segment. A failed call leaves
  /// `*ticket` unchanged.
  Status limit_deferred(std::string_view key, const Limit& limit, Ticket* ticket);
  Result<Deferred<Decision>> check_deferred(std::string_view key, Units cost = 1);
  Result<Deferred<CheckAllResult>> check_all_deferred(std::span<const CheckItem> items);
  Status reset_deferred(std::string_view key, Ticket* ticket);

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

  /// Fails with kLimitNotFound if the key has no limit. Changes nothing: polling does not slow a refill.
  [[nodiscard]] Result<LimitStatus> status(std::string_view key) const;

  /// Lists keys in byte order. Checks continue concurrently: each status is exact, but the list does not show one
  /// instant.
  [[nodiscard]] Result<std::vector<LimitStatus>> list(const ListQuery& query = {}) const;

  /// Gives `key` its full quota back; its counters stay. Fails with kLimitNotFound if the key has no limit.
  Status reset(std::string_view key);

  /// The newest `limit` events of `key` that the log on disk still retains, newest last. Fails with kLimitNotFound if
  /// the key has no limit. Reads files, so it takes time in proportion to the retained log. Checks continue
  /// concurrently.
  [[nodiscard]] Result<std::vector<Event>> history(std::string_view key, std::size_t limit = 100) const;

  /// The `limit` keys with the most denials (or grants) since they were first configured, most first; ties in byte
  /// order. Keys that have none are omitted.
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
