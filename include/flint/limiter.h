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

/// Names a position in the log. An operation is durable once everything up to its ticket is.
struct Ticket {
  std::uint64_t seq = 0;
};

/// A decision that was made and logged, but that may be told to nobody before `ticket` is durable.
template <typename T>
struct Deferred {
  T value;
  /// Nothing to wait for when `ticket.seq` is 0: a denial, or sync mode batch while its flushes keep up.
  Ticket ticket;
};

struct ListQuery {
  /// Only keys that start with this.
  std::string_view prefix;
  /// Only keys after this one, in byte order.
  std::string_view after;
  /// At most this many.
  std::size_t limit = SIZE_MAX;
};

enum class TopBy : std::uint8_t { kDenied, kAllowed };

/// A rate limiter that remembers: decides whether a request may pass, and keeps every unit that it grants in an
/// append-only log under `data_dir` before the caller hears of it.
///
/// Threads: every method may be called from any thread at any time, also beside close(): calls that begin after it fail
/// with kClosed, each one in flight either ends as it would have or fails with kClosed. The destructor alone wants all
/// other calls to have returned.
/// Fork: the child's handle refuses everything with kClosed, writes nothing and holds no lock.
/// Ownership: arguments are copied where they are kept; nothing returned refers to the Limiter.
/// Signals: none is blocked, ignored or handled for the process. A write beyond its file-size limit (RLIMIT_FSIZE)
/// would raise SIGXFSZ, so the limit is asked for before each write, and the call fails with kDiskFull. For SIGBUS see
/// Options::map_log.
/// Crash: see Options::sync. A failed call changed nothing, with one exception: after kStorageFailed, of the call that
/// met the failure, all or nothing is on disk.
class Limiter {
 public:
  /// Opens `data_dir`, recovers what it holds, and owns it until closed. Fails with kDataDirLocked (the message says
  /// who holds it), kCorruption, kUnsupportedFormat, kPermission, kNotFound (read-only and absent), kInvalidArgument
  /// (an option out of range), kDiskFull, kIoError or kClosed (Options::stop_opening); whatever failed, nothing that
  /// was on disk is changed.
  ///
  /// kDiskFull is for a directory that holds no Flint data yet. One that does opens on a full disk too: what only reads
  /// works, denied checks are answered, and whatever must be logged, flush() and compact() fail with kDiskFull. As soon
  /// as there is room the Limiter goes on by itself. Until then Stats::waits_for_room is true, and what is shown of an
  /// unclean stop may not survive a crash of the machine; nothing confirms it as durable.
  static Result<std::unique_ptr<Limiter>> open(std::string_view data_dir, const Options& options = {});

  /// The same over a directory in memory, which ends with the Limiter: for tests, and for limits that need not outlive
  /// the process.
  static Result<std::unique_ptr<Limiter>> open_in_memory(const Options& options = {});

  /// Closes, without telling whether that worked: call close() to know.
  ~Limiter();
  Limiter(const Limiter&) = delete;
  Limiter& operator=(const Limiter&) = delete;

  /// Sets the limit of a key; a new key starts with full quota. With the values that it already has nothing is written.
  /// With others, usage stays, up to the new capacity: remaining is the new capacity less what is in use, at least 0.
  Status limit(std::string_view key, const Limit& limit);

  /// Decides whether `cost` units of `key` may pass now and, if so, consumes them. kLimitNotFound without a limit;
  /// kInvalidArgument for a cost that is 0, above kMaxUnits, or above the capacity (it could never pass).
  Result<Decision> check(std::string_view key, Units cost = 1);

  /// One decision over 1 to kMaxCheckAllItems distinct keys: all are consumed, or none. One log record. An error in any
  /// item (unknown, twice, a cost above its capacity) fails the whole with nothing consumed or counted.
  Result<CheckAllResult> check_all(std::span<const CheckItem> items);

  /// The same in two steps, for callers that serve many clients from one thread: decide and log now, answer when
  /// durable. Never blocks on storage but for the rare start of a log segment. A call that fails leaves `*ticket` as it
  /// was.
  Status limit_deferred(std::string_view key, const Limit& limit, Ticket* ticket);
  Result<Deferred<Decision>> check_deferred(std::string_view key, Units cost = 1);
  Result<Deferred<CheckAllResult>> check_all_deferred(std::span<const CheckItem> items);
  Status reset_deferred(std::string_view key, Ticket* ticket);

  /// Returns when everything up to `ticket`, which this Limiter gave, is on stable storage; kStorageFailed when that is
  /// unknown, kDiskFull when it is unknown because the Limiter has had no room since its open. Waiting threads share
  /// one sync. Works after close() too, which made durable what was decided before it.
  Status wait(Ticket ticket);

  /// Calls `done` once: with success when everything up to `ticket` is on stable storage, else with what wait()
  /// returns. From the committing thread, or from this call when that is known already. `done` must be quick, must not
  /// throw and must not call back into this Limiter, except for is_durable().
  void when_durable(Ticket ticket, std::function<void(const Status&)> done);
  [[nodiscard]] bool is_durable(Ticket ticket) const noexcept;

  /// kLimitNotFound without a limit. Changes nothing: polling does not slow a refill.
  [[nodiscard]] Result<LimitStatus> status(std::string_view key) const;

  /// In byte order of the keys. Checks go on meanwhile: each status is exact, the list is not one instant.
  [[nodiscard]] Result<std::vector<LimitStatus>> list(const ListQuery& query = {}) const;

  /// Gives `key` its full quota back; its counters stay. kLimitNotFound without a limit.
  Status reset(std::string_view key);

  /// The newest `limit` events of `key` that the log on disk still retains, newest last. kLimitNotFound without a
  /// limit. Reads files: takes time in proportion to the retained log. Checks go on meanwhile.
  [[nodiscard]] Result<std::vector<Event>> history(std::string_view key, std::size_t limit = 100) const;

  /// The `limit` keys with the most denials (or grants) since they were first configured, most first; ties in byte
  /// order. Keys that have none are left out.
  [[nodiscard]] Result<std::vector<LimitStatus>> top(TopBy by, std::size_t limit = 20) const;

  /// Writes a snapshot and drops the log before the previous one. Checks go on meanwhile.
  Status compact();

  /// When it returns, everything that was decided before the call, denial counts included, is on stable storage.
  Status flush();

  /// What an operator should know. After close(), or in a forked child, it is not ok and says so.
  [[nodiscard]] DoctorReport doctor() const;
  [[nodiscard]] Stats stats() const;

  /// Ok, or why the Limiter accepts no changes. Does not block.
  [[nodiscard]] Status health() const;

  /// Flushes, marks a clean close and releases the directory. The second call does nothing and returns what the first
  /// did. kDiskFull: denial counts could not be logged, or nothing proves that all of the log is on stable storage. No
  /// grant is lost by that.
  Status close();

 private:
  class Impl;
  explicit Limiter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flint
