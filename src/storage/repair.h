#pragma once

#include <optional>
#include <string>

#include "flint/doctor.h"
#include "storage/lock_wait.h"
#include "storage/recovery.h"

/// What a repair keeps of a directory that does not open.
namespace flint::storage {

/// What can be kept: a snapshot (or the empty state), and the records behind it up to the first damage.
struct Kept {
  std::optional<SnapshotRef> snapshot;
  Seq max_seq = 0;
  /// The last record that is good and reachable.
  Seq last_seq = 0;
  /// Of the log: none when first > last.
  std::uint64_t first_segment = 1;
  std::uint64_t last_segment = 0;
  /// Of each segment of it, its number, and where the records that are kept end.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ends;
  /// Why the log ends there.
  std::string because;
  /// The last record of which anything is known, and bytes behind the last good one that are no good record.
  Seq known_seq = 0;
  std::uint64_t bytes_behind = 0;
  /// A segment with who knows what in it is dropped.
  bool drops_segment = false;

  [[nodiscard]] bool is_everything() const noexcept {
    return known_seq <= last_seq && bytes_behind == 0 && !drops_segment;
  }
};

/// The longest undamaged prefix: a snapshot that is good and the log behind it up to the first damage. Writes nothing;
/// `state` is scratch. kUnsupportedFormat: a file that a newer Flint wrote is none to judge, let alone to drop.
[[nodiscard]] Result<Kept> choose_what_to_keep(io::Directory& directory, const Listing& listing, Owner& state);

/// flint::repair for the storage part; the rest is as with inspect().
Result<DoctorReport> repair(io::Directory& directory, Owner& state, const LockWait& wait = {});

}  // namespace flint::storage
