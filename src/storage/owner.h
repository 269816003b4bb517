#pragma once

#include <functional>
#include <span>

#include "flint/status.h"
#include "storage/record.h"

namespace flint::storage {

/// The owner of the state that the records describe. It also owns the mutex that guards the state, and lends the mutex
/// to the store.
class Owner {
 public:
  virtual ~Owner() = default;

  // Recovery: called on the thread in Store::open, before that returns. A failure ends the open; the store adds the
  // file and the offset to its message.

  /// Forgets everything. Called first, and again when recovery starts over from the previous snapshot because one is
  /// bad.
  virtual void clear() = 0;
  /// Loads one snapshot entry, in the order in which the entries were written. `max_seq` is the snapshot's: an entry
  /// that reflects a later record is damaged, since it would make replay skip records.
  virtual Status load(std::span<const std::byte> entry, Seq max_seq) = 0;
  /// Replays one record. Records come in ascending order and none after the snapshot's position is omitted, but the
  /// numbers have gaps: the store's own records are not passed. A snapshot entry may be newer than the snapshot's
  /// position, so the owner compares the entry's own sequence number and skips the records that it already reflects.
  virtual Status replay(const Record& record) = 0;

  // Compaction: called on the compacting thread.

  /// Marks the log position of the snapshot. Called with the mutex held.
  virtual void begin_snapshot() = 0;
  /// Passes some entries, each of at most 1 MiB, to `emit`; returns false when there are no more. Called without the
  /// mutex, which it takes for a bounded amount of work, so that checks continue between calls. A compaction that is
  /// abandoned stops calling.
  virtual bool next_entries(const std::function<void(std::span<const std::byte>)>& emit) = 0;

  /// Appends what was held back (coalesced denials). Called with the mutex held, about every `flush_every` (100 ms in
  /// always), and by flush() and close() before they sync.
  virtual Status on_tick() = 0;
};

}  // namespace flint::storage
