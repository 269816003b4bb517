#include "storage/compactor.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "storage/errors.h"
#include "storage/files.h"

namespace flint::storage {
namespace {

/// Every open after an unclean stop starts a segment, however little was logged: a process that is killed over and over
/// would collect them by the thousand, each a file to open at the next start, without ever reaching the threshold in
/// bytes.
constexpr std::size_t kMaxSegmentsToReplay = 64;

Status stopped() { return {Code::kClosed, "the store is being closed: the compaction was given up"}; }

}  // namespace

Compactor::Compactor(const Parts& parts, const Recovery& recovery, std::uint64_t compact_after_bytes)
    : parts_(parts),
      compact_after_bytes_(compact_after_bytes),
      newest_(recovery.snapshot),
      generation_(recovery.snapshot ? recovery.snapshot->generation : 0),
      position_(recovery.snapshot ? recovery.snapshot->position : 0),
      snapshot_bytes_(recovery.snapshot_bytes),
      replayed_bytes_(recovery.replayed_bytes) {}

/// After a failure the log must grow by a quarter of the threshold before the next attempt. The usual reason is a full
/// disk, and an attempt at each tick would write and delete a snapshot ten times a second.
Status Compactor::run() {
  base::MutexLock lock(turn_);
  Status done = parts_.failure.note(compact());
  retry_at_bytes_ = done.ok() ? 0 : log_bytes() + threshold() / 4;
  return done;
}

void Compactor::stop() {
  stopped_ = true;
  base::MutexLock lock(turn_);
}

Status Compactor::compact() {
  if (stopped_) return stopped();
  if (parts_.failure.happened()) return parts_.failure.status();
  const Result<Position> position = begin();
  if (!position.ok()) return position.status();

  const SnapshotRef ref{.generation = parts_.manifest.current().generation + 1, .position = position->seq};
  Result<SnapshotWriter> writer = SnapshotWriter::open(parts_.directory, ref.generation, ref.position);
  if (!writer.ok()) return writer.status();
  Status status = write(*writer);
  if (status.ok()) status = publish(*writer, ref);
  if (!status.ok()) {
    writer->discard();
    return status;
  }
  snapshot_bytes_ = writer->bytes();
  replayed_bytes_ = 0;
  appended_before_ = position->appended;
  count_.fetch_add(1, std::memory_order_relaxed);
  return {};
}

/// The only part of a compaction that stops the checks: the position and the owner's begin_snapshot() must be of the
/// same moment. The log is rotated there, so that the position is the end of a segment and whole files can be removed
/// later.
Result<Compactor::Position> Compactor::begin() {
  base::MutexLock lock(parts_.mutex);
  if (Status rotated = parts_.log.rotate(); !rotated.ok()) return rotated;
  parts_.state.begin_snapshot();
  return Position{.seq = parts_.log.last_seq(), .appended = parts_.log.appended_bytes()};
}

/// Checks continue while entries are written, so an entry may contain records after the position. A copy of the state
/// under one lock would avoid that, at the price of a pause and of twice the memory; instead each entry says up to
/// which record it is current, and replay skips those. But then the snapshot knows of records that may not be durable
/// yet: they are made so before the footer names the newest of them, since otherwise a power loss could leave a
/// snapshot that is ahead of its log.
Status Compactor::write(SnapshotWriter& writer) {
  Status status;
  const auto emit = [&](std::span<const std::byte> entry) {
    if (status.ok()) status = writer.add(entry);
  };
  bool more = true;
  while (more) {
    more = parts_.state.next_entries(emit);
    if (!status.ok()) return status;
    if (stopped_) return stopped();
    if (parts_.failure.happened()) return parts_.failure.status();
    std::this_thread::yield();  // to the checks that are waiting for the mutex
  }
  const Seq newest = parts_.log.last_seq();
  if (Status durable = parts_.commit.wait(newest); !durable.ok()) return durable;
  return writer.finish(newest);
}

/// The manifest is the switch. Until it is in place, the old generation counts and the new file is a leftover; after
/// it, what the old generation alone needed may go. So the removal comes last, and a crash in between costs only disk
/// space. The new snapshot falls back to newest_, the last one that is known to be good, and not to the manifest's
/// first one: recovery may have found that one damaged.
Status Compactor::publish(SnapshotWriter& writer, const SnapshotRef& ref) {
  if (Status held = parts_.log.check_lock(); !held.ok()) return held;
  if (Status published = writer.publish(); !published.ok()) return published;
  const Manifest before = parts_.manifest.current();
  const std::uint64_t first = first_needed_segment();
  const std::optional<SnapshotRef> fallback = newest_;
  std::uint64_t last = 0;
  {
    base::MutexLock lock(parts_.mutex);
    last = parts_.log.current()->header().number;
  }
  Status updated = parts_.manifest.update([&](Manifest& manifest) {
    manifest.generation = ref.generation;
    manifest.snapshots = {ref};
    if (fallback) manifest.snapshots.push_back(*fallback);
    manifest.durable_seq = std::max(manifest.durable_seq, parts_.log.durable_seq());
    manifest.first_segment = first;
    manifest.last_segment = std::max(manifest.last_segment, last);
  });
  if (!updated.ok()) {
    // After a failed rename or sync the manifest on the disk may already name the snapshot.
    if (updated.code() != Code::kStorageFailed) {
      static_cast<void>(parts_.directory.remove(snapshot_name(ref.generation)));
    }
    return updated;
  }
  newest_ = ref;
  position_ = ref.position;
  generation_ = ref.generation;
  remove_superseded(before, parts_.manifest.current());
  return {};
}

/// The segment with the first record after the fallback snapshot. One generation more than needed is kept, so that a
/// damaged newest snapshot costs a longer replay and not the state.
std::uint64_t Compactor::first_needed_segment() {
  const Seq fallback = newest_ ? newest_->position : 0;
  base::MutexLock lock(parts_.mutex);
  std::uint64_t first = parts_.log.current()->header().number;
  const std::vector<SegmentInfo>& complete = parts_.log.complete();
  Seq behind = parts_.log.current()->header().seq;
  for (auto segment = complete.rbegin(); segment != complete.rend() && behind > fallback + 1; ++segment) {
    first = segment->number;
    behind = segment->first_seq;
  }
  return first;
}

void Compactor::remove_superseded(const Manifest& before, const Manifest& now) {
  std::vector<SegmentInfo> complete;
  {
    base::MutexLock lock(parts_.mutex);
    complete = parts_.log.complete();
    parts_.log.drop_before(now.first_segment);
  }
  // Readers of the log do not delay this: drop_before() tells them that a file which is gone was superseded. A file
  // that cannot be removed now is removed by the next open, because it is below the manifest's first segment.
  for (const SegmentInfo& segment : complete) {
    if (segment.number >= now.first_segment) break;
    static_cast<void>(parts_.directory.remove(segment_name(segment.number)));
  }
  for (const SnapshotRef& old : before.snapshots) {
    if (std::find(now.snapshots.begin(), now.snapshots.end(), old) != now.snapshots.end()) continue;
    static_cast<void>(parts_.directory.remove(snapshot_name(old.generation)));
  }
}

/// A deleted file does no harm while the store is open, but without it the next open fails, and cannot keep any grant
/// made until then. Stopping now turns that into a failure that is seen within a second. Only names are looked at.
/// Files that just the older snapshot needs are left out, because the directory opens without them.
Status Compactor::check_files() {
  const std::uint64_t generation = generation_;
  std::vector<std::string> names;
  if (generation != 0) names.push_back(snapshot_name(generation));
  {
    base::MutexLock lock(parts_.mutex);
    const Seq position = position_;
    Seq behind = parts_.log.current()->header().seq;
    const std::vector<SegmentInfo>& complete = parts_.log.complete();
    for (auto segment = complete.rbegin(); segment != complete.rend() && behind > position + 1; ++segment) {
      names.push_back(segment_name(segment->number));
      behind = segment->first_seq;
    }
  }
  for (const std::string& name : names) {
    if (parts_.directory.id_of(name).code() != Code::kNotFound) continue;
    // A compaction that has just ended removed it. What that one needs is looked at the next time.
    if (generation_ != generation) return {};
    return parts_.failure.note(
        {Code::kStorageFailed,
         fmt::format("{}/{} was deleted while the store was open, and without it the directory does not open again. No "
                     "changes are accepted any more. Put the file back, then open the directory again.",
                     parts_.directory.path(), name)});
  }
  return {};
}

std::uint64_t Compactor::log_bytes() const noexcept {
  return replayed_bytes_.load(std::memory_order_relaxed) + parts_.log.appended_bytes() -
         appended_before_.load(std::memory_order_relaxed);
}

/// At least twice the size of the last snapshot: then compactions write about half as much as was logged, however large
/// the state is.
std::uint64_t Compactor::threshold() const noexcept {
  return std::max(compact_after_bytes_, 2 * snapshot_bytes_.load(std::memory_order_relaxed));
}

bool Compactor::is_due() const {
  const std::uint64_t bytes = log_bytes();
  if (bytes == 0 || bytes < retry_at_bytes_.load(std::memory_order_relaxed)) return false;
  if (bytes >= threshold()) return true;
  base::MutexLock lock(parts_.mutex);
  const std::vector<SegmentInfo>& complete = parts_.log.complete();
  const Seq position = position_.load(std::memory_order_relaxed);
  const auto to_replay = std::count_if(complete.begin(), complete.end(),
                                       [position](const SegmentInfo& segment) { return segment.first_seq > position; });
  return static_cast<std::size_t>(to_replay) >= kMaxSegmentsToReplay;
}

}  // namespace flint::storage
