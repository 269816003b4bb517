#include <fmt/format.h>

#include <algorithm>

#include "storage/errors.h"
#include "storage/file_names.h"
#include "storage/publish.h"
#include "storage/recovery.h"
#include "storage/segment_reader.h"
#include "storage/snapshot_reader.h"
#include "storage/snapshot_writer.h"

namespace flint::storage {
namespace {

constexpr std::uint64_t kSegmentBytes = std::uint64_t{1} << 20;
constexpr std::size_t kCopyBytes = std::size_t{1} << 20;

/// What can be kept: a snapshot (or the empty state), and the records behind it up to the first damage.
struct Kept {
  std::optional<SnapshotRef> snapshot;
  Seq max_seq = 0;
  /// The last record that is good and reachable.
  Seq last_seq = 0;
  /// Of the log: none when first > last.
  std::uint64_t first_segment = 1;
  std::uint64_t last_segment = 0;
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

class Repairer {
 public:
  Repairer(io::Directory& directory, StateMachine& state) : directory_(directory), state_(state) {}

  /// `damage` is why the directory does not open. Returns what was done, for the report.
  Result<std::vector<Finding>> run(const Status& damage);

 private:
  /// A file that a newer Flint wrote is none to judge, let alone to drop.
  Status refuse_newer_formats();
  Status copy_everything();
  Status copy_file(const std::string& name);
  void remove_copies();

  [[nodiscard]] Kept choose();
  /// What the files tell of records that are not kept.
  void look_for_more(Kept& kept) const;
  /// Loads the snapshot (none: the empty state) and replays what follows; nothing when the snapshot itself is bad.
  [[nodiscard]] std::optional<Kept> try_from(std::optional<std::uint64_t> generation);
  void follow_log(Kept& kept);
  /// False when the segment does not lead to the next one.
  bool follow_segment(std::uint64_t number, std::optional<std::uint64_t> next, Kept& kept);

  /// What stands behind the last good record.
  static void note_rest(SegmentReader& reader, Kept& kept);

  Status rebuild(Kept& kept);
  Status rebase_snapshot(Kept& kept);
  [[nodiscard]] Finding describe(const Kept& kept) const;

  io::Directory& directory_;
  StateMachine& state_;
  Listing listing_;
  std::uint64_t repair_ = 1;
  std::vector<std::string> copies_;
  /// What a newer Flint wrote into files that this one knows.
  Status newer_format_;
};

Result<std::vector<Finding>> Repairer::run(const Status& damage) {
  Result<Listing> listing = list_store(directory_);
  if (!listing.ok()) return listing.status();
  listing_ = std::move(*listing);
  if (Status known = refuse_newer_formats(); !known.ok()) return known;
  Kept kept = choose();
  if (!newer_format_.ok()) return newer_format_;
  look_for_more(kept);
  if (Status copied = copy_everything(); !copied.ok()) {
    remove_copies();
    return copied;
  }
  if (Status rebuilt = rebuild(kept); !rebuilt.ok()) return rebuilt;
  return std::vector<Finding>{
      {.fatal = false, .message = "Repaired. The damage was: " + what_is_wrong(directory_, damage)}, describe(kept)};
}

Status Repairer::refuse_newer_formats() {
  for (const std::uint64_t number : listing_.segments) {
    const Result<SegmentReader> reader = SegmentReader::open(directory_, number);
    if (reader.code() == Code::kUnsupportedFormat) return reader.status();
  }
  for (const std::uint64_t generation : listing_.snapshots) {
    const Result<SnapshotReader> reader = SnapshotReader::open(directory_, generation);
    if (reader.code() == Code::kUnsupportedFormat) return reader.status();
  }
  return {};
}

Status Repairer::copy_everything() {
  const Result<std::vector<std::string>> names = directory_.list();
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) repair_ = std::max(repair_, repair_number(name).value_or(0) + 1);
  for (const std::string& name : *names) {
    const FileKind kind = classify(name).kind;
    if (kind != FileKind::kManifest && kind != FileKind::kSegment && kind != FileKind::kSnapshot) continue;
    if (Status copied = copy_file(name); !copied.ok()) return copied;
  }
  return directory_.sync();
}

/// Under a temporary name first: a copy that is seen is whole. Zeros become holes, so that a copy takes no more room
/// than what there is to keep.
Status Repairer::copy_file(const std::string& name) {
  Result<std::unique_ptr<io::File>> from = directory_.open(name, io::OpenFile::kRead);
  if (!from.ok()) return from.status();
  const std::string copy = repair_copy_name(repair_, name);
  Result<std::unique_ptr<io::File>> to = create_temporary(directory_, copy);
  if (!to.ok()) return to.status();
  copies_.push_back(temporary_name(copy));
  std::vector<std::byte> buffer(kCopyBytes);
  std::uint64_t offset = 0;
  while (true) {
    const Result<std::size_t> got = (*from)->read_at(offset, buffer);
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    const std::span<const std::byte> bytes = std::span(buffer).first(*got);
    if (std::any_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte != std::byte{0}; })) {
      if (Status written = (*to)->write_at(offset, bytes); !written.ok()) return written;
    }
    offset += *got;
  }
  if (Status sized = (*to)->truncate(offset); !sized.ok()) return sized;
  if (Status synced = (*to)->sync(); !synced.ok()) return synced;
  if (Status renamed = rename_temporary(directory_, copy); !renamed.ok()) return renamed;
  copies_.back() = copy;
  return {};
}

void Repairer::remove_copies() {
  for (const std::string& name : copies_) static_cast<void>(directory_.remove(name));
}

/// The newest snapshot that the log leads on from without a gap. Entries of a snapshot may be newer than its position,
/// and without the records up to the newest entry the state would be no moment of the past: then one before is better,
/// and only if there is none, the snapshot is taken as it is.
Kept Repairer::choose() {
  std::optional<Kept> without_its_log;
  for (auto generation = listing_.snapshots.rbegin(); generation != listing_.snapshots.rend(); ++generation) {
    std::optional<Kept> kept = try_from(*generation);
    if (!kept) continue;
    if (kept->last_seq >= kept->max_seq) return *kept;
    if (!without_its_log) without_its_log = kept;
  }
  const Kept from_nothing = *try_from(std::nullopt);
  if (from_nothing.last_seq > 0 || !without_its_log) return from_nothing;
  without_its_log->last_seq = without_its_log->max_seq;
  without_its_log->first_segment = without_its_log->last_segment + 1;
  return *without_its_log;
}

void Repairer::look_for_more(Kept& kept) const {
  Seq& known = kept.known_seq;
  if (const Result<Manifest> manifest = read_manifest(directory_); manifest.ok()) {
    known = std::max(known, manifest->durable_seq);
  }
  for (const std::uint64_t generation : listing_.snapshots) {
    const Result<SnapshotReader> reader = SnapshotReader::open(directory_, generation);
    if (reader.ok()) known = std::max(known, reader->max_seq());
  }
  for (const std::uint64_t number : listing_.segments) {
    const Result<SegmentReader> reader = SegmentReader::open(directory_, number);
    if (reader.ok()) known = std::max(known, reader->header().seq - 1);
    const bool is_log_dropped = kept.first_segment > kept.last_segment;
    kept.drops_segment = kept.drops_segment || number > kept.last_segment || (is_log_dropped && !reader.ok());
  }
}

std::optional<Kept> Repairer::try_from(std::optional<std::uint64_t> generation) {
  state_.clear();
  Kept kept;
  if (generation) {
    Result<SnapshotReader> reader = SnapshotReader::open(directory_, *generation);
    if (!reader.ok()) return std::nullopt;
    while (true) {
      const Result<std::optional<std::span<const std::byte>>> entry = reader->next();
      if (!entry.ok()) return std::nullopt;
      if (!*entry) break;
      if (const Status loaded = state_.load(**entry); !loaded.ok()) {
        if (loaded.code() == Code::kUnsupportedFormat) newer_format_ = at_place({directory_, reader->name()}, loaded);
        return std::nullopt;
      }
    }
    kept.snapshot = SnapshotRef{.generation = *generation, .position = reader->position()};
    kept.max_seq = reader->max_seq();
    kept.last_seq = reader->position();
  }
  follow_log(kept);
  return kept;
}

void Repairer::follow_log(Kept& kept) {
  const std::uint64_t behind_all = listing_.segments.empty() ? 1 : listing_.segments.back() + 1;
  kept.first_segment = behind_all;
  kept.last_segment = behind_all - 1;
  kept.because = "no segment of the log that can be read leads on from there.";
  // The last good segment that begins at or before the record that is due.
  std::size_t start = listing_.segments.size();
  for (std::size_t i = 0; i < listing_.segments.size(); ++i) {
    const Result<SegmentReader> reader = SegmentReader::open(directory_, listing_.segments[i]);
    if (reader.ok() && reader->header().seq <= kept.last_seq + 1) start = i;
  }
  if (start == listing_.segments.size()) return;
  kept.first_segment = listing_.segments[start];
  for (std::size_t i = start; i < listing_.segments.size(); ++i) {
    kept.last_segment = listing_.segments[i];
    const bool has_next = i + 1 < listing_.segments.size() && listing_.segments[i + 1] == listing_.segments[i] + 1;
    const std::optional<std::uint64_t> next =
        has_next ? std::optional(listing_.segments[i + 1]) : std::optional<std::uint64_t>();
    if (!follow_segment(listing_.segments[i], next, kept)) return;
  }
}

bool Repairer::follow_segment(std::uint64_t number, std::optional<std::uint64_t> next, Kept& kept) {
  const auto ends_because = [&](const Status& status) {
    if (status.code() == Code::kUnsupportedFormat) newer_format_ = status;
    kept.because = what_is_wrong(directory_, status);
    return status.ok();
  };
  Result<SegmentReader> reader = SegmentReader::open(directory_, number);
  if (!reader.ok()) return ends_because(reader.status());
  Seq behind = UINT64_MAX;
  Status next_damage;
  if (next) {
    const Result<SegmentReader> following = SegmentReader::open(directory_, *next);
    next_damage = following.status();
    if (following.ok()) behind = following->header().seq;
  }
  while (reader->expected() < behind) {
    const std::uint64_t offset = reader->offset();
    const Result<std::optional<ParsedRecord>> parsed = reader->next();
    if (!parsed.ok()) return ends_because(parsed.status());
    if (!*parsed) {
      note_rest(*reader, kept);
      const bool ends_here = kept.bytes_behind == 0 && !next_damage.ok();
      if (ends_here) return ends_because(next_damage);
      return ends_because(reader->damaged(fmt::format("there is no valid record {} there", reader->expected())));
    }
    const Record& record = (*parsed)->record;
    if (record.seq <= kept.last_seq) continue;
    const Status replayed = record.kind < kFirstStoreKind ? state_.replay(record) : Status();
    if (!replayed.ok()) return ends_because(at_place({directory_, reader->name(), offset}, replayed));
    kept.last_seq = record.seq;
  }
  return ends_because(next_damage);
}

void Repairer::note_rest(SegmentReader& reader, Kept& kept) {
  const Result<SegmentRest> rest = reader.examine_rest();
  if (!rest.ok()) return;
  kept.bytes_behind = rest->nonzero_end - reader.offset();
  if (rest->proof) kept.known_seq = rest->proof->seq;
}

/// The directory opens once the manifest is in place; until then it is as damaged as before, and the copies are whole.
Status Repairer::rebuild(Kept& kept) {
  if (kept.snapshot && kept.snapshot->position < kept.max_seq && kept.last_seq == kept.max_seq &&
      kept.first_segment > kept.last_segment) {
    if (Status rebased = rebase_snapshot(kept); !rebased.ok()) return rebased;
  }
  for (const std::uint64_t number : listing_.segments) {
    if (number >= kept.first_segment && number <= kept.last_segment) continue;
    if (Status removed = directory_.remove(segment_name(number)); !removed.ok()) return removed;
  }
  const FileHeader header{
      .file_id = random_file_id(), .number = kept.last_segment + 1, .seq = kept.last_seq + 1, .bytes = kSegmentBytes};
  const Result<std::shared_ptr<Segment>> segment = Segment::create(directory_, header);
  if (!segment.ok()) return segment.status();
  ManifestFile manifest(directory_, {});
  if (Status written = manifest.update([&](Manifest& now) {
        now.generation = kept.snapshot ? kept.snapshot->generation : 0;
        now.durable_seq = kept.last_seq;
        now.first_segment = std::min(kept.first_segment, header.number);
        now.last_segment = header.number;
        if (kept.snapshot) now.snapshots = {*kept.snapshot};
      });
      !written.ok()) {
    return written;
  }
  for (const std::uint64_t generation : listing_.snapshots) {
    if (kept.snapshot && kept.snapshot->generation == generation) continue;
    static_cast<void>(directory_.remove(snapshot_name(generation)));
  }
  return {};
}

/// The same entries under a position that needs no log.
Status Repairer::rebase_snapshot(Kept& kept) {
  Result<SnapshotReader> from = SnapshotReader::open(directory_, kept.snapshot->generation);
  if (!from.ok()) return from.status();
  const SnapshotRef rebased{.generation = listing_.snapshots.back() + 1, .position = kept.max_seq};
  Result<SnapshotWriter> to = SnapshotWriter::open(directory_, rebased.generation, rebased.position);
  if (!to.ok()) return to.status();
  while (true) {
    const Result<std::optional<std::span<const std::byte>>> entry = from->next();
    if (!entry.ok()) return entry.status();
    if (!*entry) break;
    if (Status added = to->add(**entry); !added.ok()) return added;
  }
  if (Status finished = to->finish(rebased.position); !finished.ok()) return finished;
  if (Status published = to->publish(); !published.ok()) return published;
  kept.snapshot = rebased;
  return {};
}

Finding Repairer::describe(const Kept& kept) const {
  std::string text = "Kept: ";
  if (kept.last_seq == 0) {
    text += "nothing, the store is empty now.";
  } else if (kept.snapshot) {
    text += fmt::format("the snapshot of generation {} (records up to {}) and the log up to record {}.",
                        kept.snapshot->generation, kept.snapshot->position, kept.last_seq);
  } else {
    text += fmt::format("the log up to record {}; no snapshot.", kept.last_seq);
  }
  if (kept.is_everything()) {
    text += " Dropped: nothing, no file tells of a later record.";
  } else {
    text += fmt::format(" Dropped: everything from record {} on", kept.last_seq + 1);
    if (kept.known_seq > kept.last_seq) text += fmt::format(", up to {} at least", kept.known_seq);
    text += fmt::format(". The reason: {}", kept.because);
  }
  return {.fatal = false,
          .message = fmt::format("{} The files as they were are copied to {}/{}*; delete these copies when you need "
                                 "them no more.",
                                 text, directory_.path(), repair_copy_name(repair_, ""))};
}

}  // namespace

Result<DoctorReport> repair(io::Directory& directory, StateMachine& state) {
  // Before the lock: taking it creates its file, and a mistyped path must not look like a store afterwards.
  if (const Result<DoctorReport> before = inspect(directory, state); before.code() == Code::kNotFound) return before;
  const Result<std::unique_ptr<io::DirectoryLock>> lock = directory.lock(kLockName);
  if (lock.code() == Code::kDataDirLocked) return with_holder(directory, lock.status());
  if (!lock.ok()) return lock.status();
  std::vector<Finding> done;
  const Result<Recovery> recovery = recover(directory, state);
  if (recovery.code() == Code::kCorruption) {
    Result<std::vector<Finding>> repaired = Repairer(directory, state).run(recovery.status());
    if (!repaired.ok()) return repaired.status();
    done = std::move(*repaired);
  } else if (!recovery.ok()) {
    return recovery.status();
  }
  Result<DoctorReport> report = inspect(directory, state);
  if (report.ok()) report->findings.insert(report->findings.begin(), done.begin(), done.end());
  return report;
}

}  // namespace flint::storage
