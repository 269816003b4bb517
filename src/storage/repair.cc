#include "storage/repair.h"

#include <fmt/format.h>

#include <algorithm>

#include "storage/errors.h"
#include "storage/files.h"
#include "storage/inspect.h"
#include "storage/lock_wait.h"
#include "storage/log_reader.h"
#include "storage/log_writer.h"
#include "storage/recovery.h"
#include "storage/salvage.h"
#include "storage/snapshot.h"

namespace flint::storage {
namespace {

class Chooser {
 public:
  Chooser(io::Directory& directory, const Listing& listing, Owner& state)
      : directory_(directory), listing_(listing), state_(state) {}

  Result<Kept> run();

 private:
  Status refuse_newer_formats();
  [[nodiscard]] Kept choose();
  /// What the files tell of records that are not kept.
  void look_for_more(Kept& kept) const;
  /// Loads the snapshot (none: the empty state) and replays what follows; nothing when the snapshot itself is bad.
  [[nodiscard]] std::optional<Kept> try_from(std::optional<std::uint64_t> generation);
  void follow_log(Kept& kept);
  /// The files that make up the log as far as their heads can be read, oldest first.
  [[nodiscard]] std::vector<std::uint64_t> chain() const;
  [[nodiscard]] bool leads_on(std::uint64_t number, std::uint64_t next) const;
  /// False when the segment does not lead to the next one.
  bool follow_segment(std::uint64_t number, std::optional<std::uint64_t> next, Kept& kept);

  /// What stands behind the last good record.
  static void note_rest(SegmentReader& reader, Kept& kept);

  io::Directory& directory_;
  const Listing& listing_;
  Owner& state_;
  /// What a newer Flint wrote into files that this one knows.
  Status newer_format_;
};

/// A file of a newer format ends the repair before anything is chosen: this version cannot judge what is in it, and
/// would drop it as damage.
Result<Kept> Chooser::run() {
  if (Status known = refuse_newer_formats(); !known.ok()) return known;
  Kept kept = choose();
  if (!newer_format_.ok()) return newer_format_;
  look_for_more(kept);
  return kept;
}

Status Chooser::refuse_newer_formats() {
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

/// Takes the newest snapshot from which the log continues at least up to its max_seq. Entries may be newer than the
/// snapshot's position; without the records up to the newest entry, the state would mix several moments and match none.
/// An older snapshot with its log is better then. Only if there is none, the snapshot is taken as it is.
Kept Chooser::choose() {
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

/// The report must say how much is lost, and what is kept cannot tell. So every file is asked for the highest number
/// that it knows of: the manifest's durable_seq, a snapshot's max_seq, the number before a segment's first record.
void Chooser::look_for_more(Kept& kept) const {
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

/// The real owner loads and replays, as an open would: what it refuses, a checksum alone would have let pass, and the
/// repaired directory would not open.
std::optional<Kept> Chooser::try_from(std::optional<std::uint64_t> generation) {
  state_.clear();
  Kept kept;
  if (generation) {
    Result<SnapshotReader> reader = SnapshotReader::open(directory_, *generation);
    if (!reader.ok()) return std::nullopt;
    while (true) {
      const Result<std::optional<std::span<const std::byte>>> entry = reader->next();
      if (!entry.ok()) return std::nullopt;
      if (!*entry) break;
      if (const Status loaded = state_.load(**entry, reader->max_seq()); !loaded.ok()) {
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

void Chooser::follow_log(Kept& kept) {
  const std::vector<std::uint64_t> segments = chain();
  const std::uint64_t behind_all = listing_.segments.empty() ? 1 : listing_.segments.back() + 1;
  kept.first_segment = behind_all;
  kept.last_segment = behind_all - 1;
  kept.because = "no segment of the log that can be read leads on from there.";
  // The last good segment that begins at or before the record that is due.
  std::size_t start = segments.size();
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Result<SegmentReader> reader = SegmentReader::open(directory_, segments[i]);
    if (reader.ok() && reader->header().seq <= kept.last_seq + 1) start = i;
  }
  if (start == segments.size()) return;
  kept.first_segment = segments[start];
  for (std::size_t i = start; i < segments.size(); ++i) {
    kept.last_segment = segments[i];
    std::optional<std::uint64_t> next;
    if (i + 1 < segments.size() && leads_on(segments[i], segments[i + 1])) next = segments[i + 1];
    if (!follow_segment(segments[i], next, kept)) return;
  }
}

/// Like recovery's walk, but it does not stop at a header that cannot be read: that segment may be the damage, and the
/// ones before it are what is to be kept. Then the next lower number is taken for the predecessor.
std::vector<std::uint64_t> Chooser::chain() const {
  std::vector<std::uint64_t> newest_first;
  for (std::size_t left = listing_.segments.size(); left > 0;) {
    const std::uint64_t number = listing_.segments[left - 1];
    newest_first.push_back(number);
    --left;
    const Result<SegmentReader> reader = SegmentReader::open(directory_, number);
    if (!reader.ok()) continue;
    while (left > 0 && listing_.segments[left - 1] > reader->header().previous) --left;
  }
  return {newest_first.rbegin(), newest_first.rend()};
}

bool Chooser::leads_on(std::uint64_t number, std::uint64_t next) const {
  const Result<SegmentReader> reader = SegmentReader::open(directory_, next);
  return (reader.ok() ? reader->header().previous : next - 1) == number;
}

/// Ends at the first record that is missing, damaged or refused: what comes after it would be applied to a state that
/// lacks it. `ends` notes where the good records end, since that is where unreadable bytes may be cut off later.
bool Chooser::follow_segment(std::uint64_t number, std::optional<std::uint64_t> next, Kept& kept) {
  const auto ends_because = [&](const Status& status) {
    if (status.code() == Code::kUnsupportedFormat) newer_format_ = status;
    kept.because = status.problem();
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
  kept.ends.emplace_back(number, reader->offset());
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
    if (record.seq <= kept.last_seq) {
      kept.ends.back().second = reader->offset();
      continue;
    }
    if (record.seq >= kHighestSeqAtOpen) return ends_because(reader->damaged("no log reaches the record there"));
    const Status replayed = record.kind < kFirstStoreKind ? state_.replay(record) : Status();
    if (!replayed.ok()) return ends_because(at_place({directory_, reader->name(), offset}, replayed));
    kept.last_seq = record.seq;
    kept.ends.back().second = reader->offset();
  }
  return ends_because(next_damage);
}

void Chooser::note_rest(SegmentReader& reader, Kept& kept) {
  const Result<SegmentRest> rest = reader.examine_rest();
  if (!rest.ok()) return;
  kept.bytes_behind = rest->nonzero_end - reader.offset();
  if (rest->proof) kept.known_seq = rest->proof->seq;
}

}  // namespace

Result<Kept> choose_what_to_keep(io::Directory& directory, const Listing& listing, Owner& state) {
  return Chooser(directory, listing, state).run();
}

namespace {

constexpr std::uint64_t kSegmentBytes = std::uint64_t{1} << 20;

/// Files with numbers that no store reaches: the next number would be further on still.
Listing without_impossible(Listing listing) {
  const auto is_impossible = [](std::uint64_t number) { return number >= kHighestNumberAtOpen; };
  std::erase_if(listing.segments, is_impossible);
  std::erase_if(listing.snapshots, is_impossible);
  return listing;
}

class Repairer {
 public:
  /// `salvage` is what `directory` met.
  Repairer(io::Directory& directory, const Salvage& salvage, Owner& state)
      : directory_(directory), salvage_(salvage), state_(state) {}

  /// `damage` is why the directory does not open. Returns what was done, for the report.
  Result<std::vector<Finding>> run(const Status& damage);

 private:
  Status copy_everything();
  Status copy_file(const std::string& name);
  void remove_copies();

  Status rebuild(Kept& kept);
  Status rebase_snapshot(Kept& kept);
  Status cut_unreadable(const Kept& kept);
  [[nodiscard]] Finding describe(const Kept& kept) const;

  io::Directory& directory_;
  const Salvage& salvage_;
  Owner& state_;
  /// What is there, and of that what may be kept.
  Listing all_;
  Listing listing_;
  std::uint64_t repair_ = 1;
  std::vector<std::string> copies_;
};

/// Everything that can refuse comes before anything is changed: the choice, files that could not be opened, and copies
/// of all files, synced. If a copy fails, usually for lack of space, the copies are removed and the directory is as
/// damaged as before, but not more.
Result<std::vector<Finding>> Repairer::run(const Status& damage) {
  Result<Listing> listing = list_store(directory_);
  if (!listing.ok()) return listing.status();
  all_ = *listing;
  listing_ = without_impossible(std::move(*listing));
  Result<Kept> kept = choose_what_to_keep(directory_, listing_, state_);
  if (!kept.ok()) return kept.status();
  if (!salvage_.not_opened.ok()) return salvage_.not_opened;
  if (Status copied = copy_everything(); !copied.ok()) {
    remove_copies();
    return copied;
  }
  if (Status rebuilt = rebuild(*kept); !rebuilt.ok()) return rebuilt;
  if (Status cut = cut_unreadable(*kept); !cut.ok()) return cut;
  const std::string wrong(damage.code() == Code::kIoError ? "the disk does not read all of the files."
                                                          : damage.problem());
  std::vector<Finding> done{{.fatal = false, .message = "Repaired. The damage was: " + wrong}, describe(*kept)};
  if (!salvage_.unreadable.empty()) {
    done.push_back(
        {.fatal = false,
         .message = fmt::format("What the disk does not read any more: {}. The copies say so at these places. Replace "
                                "the disk.",
                                storage::describe(salvage_))});
  }
  return done;
}

Status Repairer::copy_everything() {
  const Result<std::vector<std::string>> names = directory_.list();
  if (!names.ok()) return names.status();
  // A number above that of the latest repair, and never one whose copies exist, even if a name was made by hand.
  for (const std::string& name : *names) {
    const std::uint64_t number = repair_number(name).value_or(0);
    if (number <= kHighestNumberAtOpen) repair_ = std::max(repair_, number + 1);
  }
  const auto is_taken = [this](const std::string& name) { return name.starts_with(repair_copy_name(repair_, "")); };
  while (std::any_of(names->begin(), names->end(), is_taken)) ++repair_;
  for (const std::string& name : *names) {
    const FileKind kind = classify(name).kind;
    if (kind != FileKind::kManifest && kind != FileKind::kSegment && kind != FileKind::kSnapshot) continue;
    if (Status copied = copy_file(name); !copied.ok()) return copied;
  }
  return directory_.sync();
}

/// Under a temporary name first, so that a copy with its final name is complete.
Status Repairer::copy_file(const std::string& name) {
  Result<std::unique_ptr<io::File>> from = directory_.open(name, io::OpenFile::kRead);
  if (!from.ok()) return from.status();
  const std::string copy = repair_copy_name(repair_, name);
  Result<std::unique_ptr<io::File>> to = create_temporary(directory_, copy);
  if (!to.ok()) return to.status();
  copies_.push_back(temporary_name(copy));
  if (const Result<std::uint64_t> size = copy_bytes(**from, 0, UINT64_MAX, **to); !size.ok()) return size.status();
  if (Status synced = (*to)->sync(); !synced.ok()) return synced;
  if (Status renamed = rename_temporary(directory_, copy); !renamed.ok()) return renamed;
  copies_.back() = copy;
  return {};
}

void Repairer::remove_copies() {
  for (const std::string& name : copies_) static_cast<void>(directory_.remove(name));
}

/// The directory opens once the manifest is in place; until then it is as damaged as before, and the copies are whole.
Status Repairer::rebuild(Kept& kept) {
  if (kept.snapshot && kept.snapshot->position < kept.max_seq && kept.last_seq == kept.max_seq &&
      kept.first_segment > kept.last_segment) {
    if (Status rebased = rebase_snapshot(kept); !rebased.ok()) return rebased;
  }
  for (const std::uint64_t number : all_.segments) {
    if (number >= kept.first_segment && number <= kept.last_segment) continue;
    if (Status removed = directory_.remove(segment_name(number)); !removed.ok()) return removed;
  }
  const FileHeader header{.file_id = random_file_id(),
                          .number = kept.last_segment + 1,
                          .seq = kept.last_seq + 1,
                          .bytes = kSegmentBytes,
                          .previous = kept.first_segment <= kept.last_segment ? kept.last_segment : 0};
  const Result<std::shared_ptr<Segment>> segment = create_what_fits(
      header, kStoreRecordBytes, [this](const FileHeader& fitting) { return Segment::create(directory_, fitting); });
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
  for (const std::uint64_t generation : all_.snapshots) {
    if (kept.snapshot && kept.snapshot->generation == generation) continue;
    static_cast<void>(directory_.remove(snapshot_name(generation)));
  }
  return {};
}

/// Nothing after the last record of a kept segment is needed, and unreadable bytes there would keep the next open from
/// judging the end of the log.
Status Repairer::cut_unreadable(const Kept& kept) {
  for (const auto& [number, end] : kept.ends) {
    if (number < kept.first_segment || number > kept.last_segment) continue;
    if (!salvage_.unreadable.contains(segment_name(number))) continue;
    Result<std::unique_ptr<io::File>> file = directory_.open(segment_name(number), io::OpenFile::kReadWrite);
    if (!file.ok()) return file.status();
    if (Status cut = (*file)->truncate(end); !cut.ok()) return cut;
    if (Status synced = (*file)->sync(); !synced.ok()) return synced;
  }
  return {};
}

/// The same entries under a position that needs no log: the snapshot's own position lies before records that are lost,
/// and an open would look for them.
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

Result<DoctorReport> repair(io::Directory& directory, Owner& state, const LockWait& wait) {
  // Before the lock is taken: that creates the lock file, and a mistyped path must not look like a store afterwards.
  if (Result<DoctorReport> before = inspect(directory, state); before.code() == Code::kNotFound) return before;
  const Result<std::unique_ptr<io::DirectoryLock>> lock = wait_for_lock(directory, LockFor::kWriting, wait);
  if (!lock.ok()) return lock.status();
  std::vector<Finding> done;
  const Status damage = recover(directory, state).status();
  if (!damage.ok()) {
    Salvage salvage;
    const std::unique_ptr<io::Directory> salvaging = make_salvaging_directory(directory, salvage);
    // A sector that cannot be read is damage. A file that cannot be opened (too many open files, say) is not: a repair
    // that took it for damage would drop good segments.
    if (damage.code() == Code::kIoError) static_cast<void>(recover(*salvaging, state));
    if (damage.code() != Code::kCorruption && salvage.unreadable.empty()) return damage;
    Result<std::vector<Finding>> repaired = Repairer(*salvaging, salvage, state).run(damage);
    if (!repaired.ok()) return repaired.status();
    done = std::move(*repaired);
  }
  Result<DoctorReport> report = inspect(directory, state);
  if (report.ok()) report->findings.insert(report->findings.begin(), done.begin(), done.end());
  return report;
}

}  // namespace flint::storage
