#pragma once

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/file_system.h"
#include "testing/faults.h"

/// A disk that fails and forgets as real ones do, for tests: every call can be made to fail, and a crash can be had at
/// every call. It keeps what programs see (the current view) apart from what would be there after a power loss (the
/// durable view), for each file in sectors of 512 bytes and for the names.
///
/// What it models, and what not:
/// - A sector is written whole or not at all. Unsynced sectors reach the disk in any order, or never.
/// - A file's sync covers its content and length; a name is durable only after the directory's sync. Names that were
///   not synced are kept or lost one by one; a rename is there or not, and leaves the file under one of its names.
/// - After a failed sync, what was dirty is lost for good: a later sync that succeeds does not write it. So it is after
///   a failed write-back of the kernel's own.
/// - Stores through a map are not seen when they happen, so a crash "between two stores" is had only through the
///   sectors that it leaves behind.
namespace flint::testing {

class FaultyState;

/// Copies share the content. Threads: any.
class FaultyDisk {
 public:
  explicit FaultyDisk(FaultyOptions options = {});

  /// A handle for one "process"; content stays when it is gone.
  [[nodiscard]] std::unique_ptr<io::Directory> directory() const;

  // Faults. Calls are numbered from 0, in the order they are made on this disk.

  [[nodiscard]] std::vector<CallRecord> calls() const;
  [[nodiscard]] std::uint64_t call_count() const;
  void fail_call(std::uint64_t number, Fault fault = {});
  void fail_every(Call call, Fault fault = {});
  /// The process dies at this call: it fails, every later one (reads too) fails uncounted, and what is stored through
  /// maps from then on is not on the disk.
  void die_at(std::uint64_t number, Fault fault = {});
  /// Forgets fail_call, fail_every and die_at; a process that has died stays dead.
  void stop_failing();
  [[nodiscard]] bool died() const;

  /// Files together take at most this much, in whole pages; beyond, writes and allocations fail with ENOSPC (a write
  /// after what fitted was written). None: no limit.
  void set_capacity(std::optional<std::uint64_t> bytes);
  [[nodiscard]] std::optional<std::uint64_t> capacity() const;
  [[nodiscard]] std::uint64_t used_bytes() const;

  /// Before every counted call, now and then, some of what is dirty is written, as a kernel does at any time. So a
  /// crash can also show a state between the last sync and the last store.
  void write_back_by_itself(std::uint64_t seed);

  /// The kernel writes now, and the disk fails some of it: what was dirty and is not written stays lost, as after a
  /// failed sync. A file that is open hears of it from its next sync; nobody hears of one that is not.
  void fail_write_back(std::uint64_t seed);
  /// The kernel gives memory back: of some files, what is seen from now on is what the disk holds, as far as it
  /// believes that to be the same.
  void forget_clean_pages(std::uint64_t seed);

  /// The disk that is found after a crash now, or at the call where the process died: unlocked, everything on it
  /// durable, without faults, of the same options. This one is as before, so many crashes can be had of one moment.
  [[nodiscard]] FaultyDisk crash(std::uint64_t seed, CrashPolicy policy = {}) const;

  // Damage: the medium changed, behind everybody's back. All of the file, and all names, are durable afterwards.
  // kNotFound, or kInvalidArgument past the end.

  Status flip_bit(std::string_view name, std::uint64_t bit);
  Status overwrite(std::string_view name, std::uint64_t offset, std::string_view bytes);
  Status cut(std::string_view name, std::uint64_t size);
  /// Reading any of these bytes fails with EIO from now on, after a crash too, until the file is shorter or gone.
  Status make_unreadable(std::string_view name, std::uint64_t offset, std::uint64_t bytes);
  /// Creates or replaces a file, durably.
  void put(std::string_view name, std::string_view content);

  /// Without a call being counted.
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] Result<std::string> content(std::string_view name) const;

 private:
  explicit FaultyDisk(std::shared_ptr<FaultyState> state) : state_(std::move(state)) {}

  std::shared_ptr<FaultyState> state_;
};

}  // namespace flint::testing
