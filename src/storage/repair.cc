#include <fmt/format.h>

#include <algorithm>

#include "storage/copy_bytes.h"
#include "storage/errors.h"
#include "storage/file_names.h"
#include "storage/fitting.h"
#include "storage/lock_wait.h"
#include "storage/publish.h"
#include "storage/recovery.h"
#include "storage/repair_choice.h"
#include "storage/salvage.h"
#include "storage/snapshot_reader.h"
#include "storage/snapshot_writer.h"

namespace flint::storage {
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
  const std::string wrong =
      damage.code() == Code::kIoError ? "the disk does not read all of the files." : what_is_wrong(directory_, damage);
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
  // After the latest repair; never under the number of one whose copies are there, wherever its number is.
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

/// Under a temporary name first: a copy that is seen is whole.
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

/// Behind the last record of a segment that is kept, nothing is needed, and what cannot be read there would keep the
/// next open from reading what is before it.
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

Result<DoctorReport> repair(io::Directory& directory, Owner& state, const LockWait& wait) {
  // Before the lock: taking it creates its file, and a mistyped path must not look like a store afterwards.
  if (const Result<DoctorReport> before = inspect(directory, state); before.code() == Code::kNotFound) return before;
  const Result<std::unique_ptr<io::DirectoryLock>> lock = wait_for_lock(directory, LockFor::kWriting, wait);
  if (!lock.ok()) return lock.status();
  std::vector<Finding> done;
  const Status damage = recover(directory, state).status();
  if (!damage.ok()) {
    Salvage salvage;
    const std::unique_ptr<io::Directory> salvaging = make_salvaging_directory(directory, salvage);
    // A disk that does not read is damage; that no file can be opened is not.
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
