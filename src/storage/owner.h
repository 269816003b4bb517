#pragma once

#include <functional>
#include <span>

#include "flint/status.h"
#include "storage/record.h"

namespace flint::storage {

/// The owner of the state, as the store sees it. It also owns the mutex that guards the state, and lends it to the
/// store.
class Owner {
 public:
  virtual ~Owner() = default;

  // Recovery, from the thread in Store::open, before it returns. A Status other than Ok ends the open; the store puts
  // the file and the offset in front of its message.

  /// Called first, and again when a bad snapshot makes recovery start over from the one before: forget everything.
  virtual void clear() = 0;
  /// One snapshot entry, in the order they were written. `max_seq` is the snapshot's: an entry that tells of a later
  /// record is damage, since it would have replay skip what comes after.
  virtual Status load(std::span<const std::byte> entry, Seq max_seq) = 0;
  /// One record, ascending, and none is left out from the snapshot's position on (the numbers have gaps: the store's
  /// own records have some, and are not shown). Entries of a snapshot may be newer than its position: the owner skips
  /// what an entry already holds, by the entry's own sequence number.
  virtual Status replay(const Record& record) = 0;

  // Compaction, from the compacting thread.

  /// Called with the mutex held, at the log position of the snapshot.
  virtual void begin_snapshot() = 0;
  /// Passes some entries to `emit`; false when there are no more. Called without the mutex: takes it for a bounded
  /// piece of work, so that checks go on between pieces. A compaction that is given up just stops asking. An entry
  /// holds at most 1 MiB.
  virtual bool next_entries(const std::function<void(std::span<const std::byte>)>& emit) = 0;

  /// Called with the mutex held, about every `flush_every` (100 ms in always), and by flush() and close() before they
  /// make things durable: append what was kept back (coalesced denials).
  virtual Status on_tick() = 0;
};

}  // namespace flint::storage
