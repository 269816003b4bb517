#pragma once

#include <optional>
#include <string>

#include "flint/doctor.h"
#include "storage/lock_wait.h"
#include "storage/recovery.h"

/// Repairs a directory that does not open.
namespace flint::storage {

/// What can be kept: a snapshot (or the empty state), and the records after it up to the first damage.
struct Kept {
  std::optional<SnapshotRef> snapshot;
  Seq max_seq = 0;
  /// The last record that is good and reachable.
  Seq last_seq = 0;
  /// The segments of the log; none if first > last.
  std::uint64_t first_segment = 1;
  std::uint64_t last_segment = 0;
  /// For each of these segments, its number and the offset at which the kept records end.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ends;
  /// The reason why the log ends there.
  std::string because;
  /// The last record of which anything is known, and the number of bytes after the last good record.
  Seq known_seq = 0;
  std::uint64_t bytes_behind = 0;
  /// A segment whose contents are unknown is dropped.
  bool drops_segment = false;

  [[nodiscard]] bool is_everything() const noexcept {
    return known_seq <= last_seq && bytes_behind == 0 && !drops_segment;
  }
};

/// Chooses the longest undamaged prefix: a good snapshot, and the log after it up to the first damage. Writes nothing;
/// `state` is temporary. Fails with kUnsupportedFormat if a newer Flint wrote a file, which this version can neither
/// judge nor drop.
[[nodiscard]] Result<Kept> choose_what_to_keep(io::Directory& directory, const Listing& listing, Owner& state);

/// The storage part of flint::repair; see inspect().
Result<DoctorReport> repair(io::Directory& directory, Owner& state, const LockWait& wait = {});

}  // namespace flint::storage
