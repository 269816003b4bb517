#include "storage/recovery.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "storage/errors.h"
#include "storage/files.h"
#include "storage/log_reader.h"
#include "storage/snapshot.h"

namespace flint::storage {

/// The bytes after the last good record are either an append that a crash cut short, which is dropped, or durable data
/// that is damaged, which ends the open. They look alike, so only knowledge from elsewhere can tell them apart: a later
/// record's lag, the manifest, the snapshot, or a file that is shorter than its header says. Without any of these the
/// append is taken for torn. Damage can pass for that only in records that no later record, seal or manifest covers
/// yet, which is why seals and manifests are written so soon. A valid record after the bad place is not enough: pages
/// of an unsynced file reach the disk in any order.
Result<LastSegment> judge_log_end(SegmentReader& reader, const ProvenDurable& proven) {
  const Result<SegmentRest> rest = reader.examine_rest();
  if (!rest.ok()) return rest.status();
  const Seq lost = reader.expected();
  if (rest->proof) {
    return reader.damaged(
        fmt::format("there is no valid record {} there, and the record {} at offset {} was written "
                    "when everything up to {} was durable",
                    lost, rest->proof->seq, rest->proof->offset, rest->proof->durable_seq));
  }
  if (proven.seq >= lost) {
    return reader.damaged(
        fmt::format("there is no valid record {} there, and {} was written when everything up to {} "
                    "was durable",
                    lost, proven.file, proven.seq));
  }
  // A segment is shorter than its header says only after it was closed. When it is opened again, it gets its whole
  // length before its next record, and no file system keeps data after an end of file that it forgot.
  const bool was_closed_here = reader.ends_clean() && rest->nonzero_end == reader.offset();
  if (reader.file_bytes() < reader.header().bytes && !was_closed_here) {
    return reader.damaged(fmt::format("the file has {} bytes of {}, and does not end with a clean close",
                                      reader.file_bytes(), reader.header().bytes));
  }
  return LastSegment{.header = reader.header(),
                     .used = reader.offset(),
                     .nonzero_end = rest->nonzero_end,
                     .bytes = reader.file_bytes(),
                     .ends_clean = reader.ends_clean()};
}

namespace {

/// False for a snapshot that is unusable, so that the one before it is tried: a disk that cannot read it is as bad as
/// one that returns changed bytes. Any other status ends the open; an unknown format, for example, is not damage, and
/// an older snapshot must not hide it.
Result<bool> no_use_or_why_not(const Status& damage) {
  if (damage.code() == Code::kCorruption || damage.code() == Code::kIoError) return false;
  return damage;
}

class Recoverer {
 public:
  Recoverer(io::Directory& directory, Owner& state, UnfinishedImport unfinished, const std::atomic<bool>* stop)
      : directory_(directory), state_(state), unfinished_(unfinished), stop_(stop) {}

  Result<Recovery> run();

 private:
  Status find_files();
  /// `numbers`: the files of segments that may be needed, ascending.
  Status follow_chain(const std::vector<std::uint64_t>& numbers);
  Status read_header(std::uint64_t number);
  Status load_state();
  Status check_fallbacks(Seq log_begins);
  /// False when the snapshot is damaged: `damage` then says how.
  Result<bool> load_snapshot(const SnapshotRef& ref, Status& damage);
  Status replay();
  Status replay_complete(std::size_t index);
  Status replay_last();
  Status note_end(SegmentReader& reader);
  Status apply(const SegmentReader& reader, std::size_t index, const ParsedRecord& parsed, std::uint64_t offset);
  /// Taking the directory as empty would grant every key a full quota again.
  [[nodiscard]] Status of_the_original() const {
    return {
        Code::kUnsupportedFormat,
        fmt::format("{} holds flint.aof or flint.snapshot, the files of the original Flint in Rust, whose format this "
                    "Flint reads only to import it. Nothing was changed. Choose another data directory; \"flint "
                    "--data-dir OTHER import {}\" carries the limits and what is used of them over to it.",
                    directory_.path(), directory_.path())};
  }
  /// Half of an import would grant the keys of the other half a full quota again.
  [[nodiscard]] Status of_an_unfinished_import() const {
    return {Code::kUnsupportedFormat,
            fmt::format("an import into {} did not finish. Nothing was changed. Run \"flint import\" again with this "
                        "data directory, or choose another one.",
                        directory_.path())};
  }
  /// Without its last files it would be an older state, or none.
  [[nodiscard]] Status of_an_unfinished_backup() const {
    return {Code::kUnsupportedFormat,
            fmt::format("{} is a backup that was cut short. Nothing was changed. Delete it, and make another one with "
                        "\"flint backup\".",
                        directory_.path())};
  }
  [[nodiscard]] Status missing(const std::string& name) const {
    return corruption({directory_, name}, "the file is missing");
  }

  /// Asked at each entry and each record: reading a large directory takes seconds.
  [[nodiscard]] bool is_stopped() const { return stop_ != nullptr && stop_->load(std::memory_order_relaxed); }

  io::Directory& directory_;
  Owner& state_;
  const UnfinishedImport unfinished_;
  const std::atomic<bool>* const stop_;
  Recovery result_;
  std::vector<FileHeader> headers_;
  /// The log must reach this: it is known to have been durable.
  ProvenDurable proven_;
  Seq position_ = 0;
  /// What keeps the log from reaching back as far as the manifest says.
  Status chain_break_;
};

/// Files, then state, then log: each step decides what the next one needs. The chain of segments must be known before a
/// snapshot is chosen, because a snapshot is only good if the log continues from it; and the snapshot's position
/// decides where replay begins. Nothing is written, so an open that is refused leaves the directory as evidence.
Result<Recovery> Recoverer::run() {
  state_.clear();
  if (Status found = find_files(); !found.ok()) return found;
  if (headers_.empty()) return std::move(result_);
  if (Status loaded = load_state(); !loaded.ok()) return loaded;
  if (Status replayed = replay(); !replayed.ok()) return replayed;
  return std::move(result_);
}

/// Separates the files of the store from leftovers, by the manifest and the chain of headers: that a file exists says
/// nothing, since a crash may have come before or after any removal. Leftovers are only listed here. They go after
/// settle() has put a manifest on stable storage that does not name them; the manifest that was read may be in the page
/// cache alone, and the one on the disk may still need them.
Status Recoverer::find_files() {
  Result<Listing> listing = list_store(directory_);
  if (!listing.ok()) return listing.status();
  if (listing->is_unfinished_import && unfinished_ == UnfinishedImport::kRefuse) return of_an_unfinished_import();
  if (listing->is_unfinished_backup && unfinished_ == UnfinishedImport::kRefuse) return of_an_unfinished_backup();
  result_.leftovers = std::move(listing->temporaries);
  for (std::size_t i = 0; i + kKeptTails < listing->tails.size(); ++i) result_.leftovers.push_back(listing->tails[i]);

  Result<Manifest> manifest = read_manifest(directory_);
  result_.exists = manifest.ok();
  if (!manifest.ok() && manifest.code() != Code::kNotFound) return manifest.status();
  // Without a manifest there can be only the first steps of a store's creation.
  const bool began = listing->segments.empty() || listing->segments == std::vector<std::uint64_t>{1};
  if (!manifest.ok() && listing->is_the_originals) return of_the_original();
  if (!manifest.ok() && (!began || !listing->snapshots.empty())) return missing(std::string(kManifestName));
  if (manifest.ok()) result_.manifest = std::move(*manifest);

  std::vector<std::uint64_t> needed;
  for (const std::uint64_t number : listing->segments) {
    if (number >= result_.manifest.first_segment) {
      needed.push_back(number);
    } else {
      result_.leftovers.push_back(segment_name(number));
    }
  }
  for (const std::uint64_t generation : listing->snapshots) {
    const auto refers = [generation](const SnapshotRef& ref) { return ref.generation == generation; };
    const std::vector<SnapshotRef>& known = result_.manifest.snapshots;
    if (std::none_of(known.begin(), known.end(), refers)) result_.leftovers.push_back(snapshot_name(generation));
  }
  return follow_chain(needed);
}

/// From the newest segment back to the first one that is needed, by the predecessor that each header names. Numbers
/// alone would not do: an open that wrote records again replaced several segments by one, and a crash may have kept the
/// old ones. A segment that this walk leaves out is such a leftover.
Status Recoverer::follow_chain(const std::vector<std::uint64_t>& numbers) {
  const std::uint64_t newest = numbers.empty() ? 0 : numbers.back();
  if (result_.exists && newest < result_.manifest.last_segment) {
    return missing(segment_name(result_.manifest.last_segment));
  }
  if (newest > kHighestNumberAtOpen) {
    return corruption({directory_, segment_name(newest)}, "no store has as many segments as its name says");
  }
  auto end = numbers.end();
  for (std::uint64_t number = newest; number != 0 && number >= result_.manifest.first_segment;) {
    const auto file = std::lower_bound(numbers.begin(), end, number);
    Status read = file == end || *file != number ? missing(segment_name(number)) : read_header(number);
    if (read.code() == Code::kCorruption && !headers_.empty()) {
      // The newest snapshot may contain everything before this place, so the walk ends, but not yet the open.
      chain_break_ = std::move(read);
      end = numbers.begin();
      break;
    }
    if (!read.ok()) return read;
    for (auto left_out = file + 1; left_out != end; ++left_out) {
      result_.leftovers.push_back(segment_name(*left_out));
    }
    end = file;
    number = headers_.back().previous;
  }
  for (auto left_out = numbers.begin(); left_out != end; ++left_out) {
    result_.leftovers.push_back(segment_name(*left_out));
  }
  std::reverse(headers_.begin(), headers_.end());
  std::reverse(result_.segments.begin(), result_.segments.end());
  return {};
}

Status Recoverer::read_header(std::uint64_t number) {
  const Result<SegmentReader> reader = SegmentReader::open(directory_, number);
  if (!reader.ok()) return reader.status();
  const FileHeader& header = reader->header();
  if (!headers_.empty() && header.seq > headers_.back().seq) {
    return corruption({directory_, segment_name(headers_.back().number)},
                      "its first record has a lower number than that of the segment before it");
  }
  headers_.push_back(header);
  result_.segments.push_back({.number = number, .first_seq = header.seq, .bytes = reader->file_bytes()});
  return {};
}

/// The newest snapshot that loads, provided that the log continues from its position without a gap. An older one gives
/// the same state, because the log from its position on is kept until two snapshots replace it; it only costs a longer
/// replay, and a finding. A gap is different: it means records are missing that were durable, and no older snapshot can
/// bring them back, so the open ends there.
Status Recoverer::load_state() {
  const Seq log_begins = headers_.front().seq;
  proven_ = {.seq = result_.manifest.durable_seq, .file = std::string(kManifestName)};
  Status first_damage;
  for (const SnapshotRef& ref : result_.manifest.snapshots) {
    Status damage;
    const Result<bool> loaded = load_snapshot(ref, damage);
    if (!loaded.ok()) return loaded.status();
    if (*loaded) {
      if (log_begins <= ref.position + 1) return check_fallbacks(log_begins);
      if (!chain_break_.ok()) return chain_break_;
      return corruption(
          {directory_, segment_name(result_.segments.front().number)},
          fmt::format("the log begins with record {}, the snapshot ends with {}", log_begins, ref.position));
    }
    state_.clear();
    result_.degraded = true;
    result_.findings.push_back(
        {.fatal = false,
         .message = std::string(damage.problem()) +
                    " Nothing is lost: what was there before it holds everything. The next compaction (`flint log "
                    "compact`) replaces it."});
    if (first_damage.ok()) first_damage = damage;
  }
  if (log_begins == 1) return {};
  if (!first_damage.ok()) return first_damage;
  if (!chain_break_.ok()) return chain_break_;
  return corruption(
      {directory_, segment_name(result_.segments.front().number)},
      fmt::format("the log begins with record {}, and there is no snapshot of what was before", log_begins));
}

/// The older snapshot and its log are not needed by this open. They will be if the newest snapshot is lost, so whatever
/// is missing of them is reported now, while two compactions can still replace it.
Status Recoverer::check_fallbacks(Seq log_begins) {
  std::vector<Status> damages;
  if (!chain_break_.ok()) damages.push_back(chain_break_);
  for (const SnapshotRef& ref : result_.manifest.snapshots) {
    if (ref.generation >= result_.snapshot->generation) continue;
    const Result<SnapshotReader> reader = SnapshotReader::open(directory_, ref.generation);
    if (reader.code() == Code::kNotFound) damages.push_back(missing(snapshot_name(ref.generation)));
    if (reader.code() == Code::kCorruption) damages.push_back(reader.status());
    if (reader.ok() && log_begins > ref.position + 1 && chain_break_.ok()) {
      damages.push_back(corruption(
          {directory_, segment_name(result_.segments.front().number)},
          fmt::format("the log begins with record {}, an older snapshot ends with {}", log_begins, ref.position)));
    }
  }
  for (const Status& damage : damages) {
    result_.degraded = true;
    result_.findings.push_back({.fatal = false,
                                .message = std::string(damage.problem()) +
                                           " It is needed only if the newest snapshot is lost. Nothing is lost now; "
                                           "two compactions (`flint log compact`) replace it."});
  }
  return {};
}

/// Entries go to the owner while later blocks are still unread: a snapshot need not fit in memory twice. So damage may
/// show after part of the state is loaded, and the caller clears the state before it tries another one. The footer was
/// checked at open, so an entry can be judged by the snapshot's max_seq. That number also proves the log: a snapshot is
/// published only after everything up to it was durable.
Result<bool> Recoverer::load_snapshot(const SnapshotRef& ref, Status& damage) {
  Result<SnapshotReader> reader = SnapshotReader::open(directory_, ref.generation);
  if (!reader.ok()) {
    damage = reader.code() == Code::kNotFound ? missing(snapshot_name(ref.generation)) : reader.status();
    return no_use_or_why_not(damage);
  }
  if (reader->position() != ref.position) {
    damage = corruption({directory_, reader->name()}, "its position is not the one that the manifest says");
    return false;
  }
  while (true) {
    if (is_stopped()) return opening_stopped(directory_);
    Result<std::optional<std::span<const std::byte>>> entry = reader->next();
    if (!entry.ok()) {
      damage = entry.status();
      return no_use_or_why_not(damage);
    }
    if (!*entry) break;
    Status loaded = state_.load(**entry, reader->max_seq());
    if (!loaded.ok()) {
      damage = at_place({directory_, reader->name(), reader->offset()}, loaded);
      return no_use_or_why_not(damage);
    }
  }
  result_.snapshot = ref;
  result_.snapshot_bytes = reader->bytes();
  position_ = ref.position;
  if (reader->max_seq() > proven_.seq) proven_ = {.seq = reader->max_seq(), .file = reader->name()};
  return true;
}

Status Recoverer::replay() {
  // The last segment that begins at or before the first record that is needed.
  const auto behind = std::find_if(headers_.begin(), headers_.end(),
                                   [this](const FileHeader& header) { return header.seq > position_ + 1; });
  FLINT_ASSERT(behind != headers_.begin());
  // What 0.1.0 said to be durable could be in the page cache alone.
  result_.proven_seq = result_.manifest.version == kFormatVersion1 ? position_ : proven_.seq;
  for (auto index = static_cast<std::size_t>(behind - headers_.begin()) - 1; index + 1 < headers_.size(); ++index) {
    if (Status replayed = replay_complete(index); !replayed.ok()) return replayed;
  }
  return replay_last();
}

/// Records up to the snapshot's position are read, because the segment is read from its beginning, but not replayed.
/// The others are all replayed, also those that a newer snapshot entry may hold: only the owner can compare per key.
/// Records of the store itself count as unproven like any other, since their sequence numbers must stay without a gap.
Status Recoverer::apply(const SegmentReader& reader, std::size_t index, const ParsedRecord& parsed,
                        std::uint64_t offset) {
  if (is_stopped()) return opening_stopped(directory_);
  if (parsed.record.seq <= position_) return {};
  result_.replayed_bytes += parsed.bytes;
  if (parsed.record.seq > result_.proven_seq) result_.unproven.add(parsed, index, offset);
  if (parsed.record.kind >= kFirstStoreKind) return {};
  Status replayed = state_.replay(parsed.record);
  return replayed.ok() ? replayed : at_place({directory_, reader.name(), offset}, replayed);
}

/// A segment that is not the newest was complete and durable before the next one began, and the next one's header says
/// where it ends. So there is no torn end to judge here: a bad record before that place is damage. Bytes after it are
/// ignored; an open that wrote records again has ended the segment early.
Status Recoverer::replay_complete(std::size_t index) {
  Result<SegmentReader> reader = SegmentReader::open(directory_, result_.segments[index].number);
  if (!reader.ok()) return reader.status();
  const Seq next_first = headers_[index + 1].seq;
  while (reader->expected() < next_first) {
    const std::uint64_t offset = reader->offset();
    const Result<std::optional<ParsedRecord>> parsed = reader->next();
    if (!parsed.ok()) return parsed.status();
    if (!*parsed) {
      return reader->damaged(fmt::format("there is no valid record {} there, and the next segment begins with {}",
                                         reader->expected(), next_first));
    }
    if (Status applied = apply(*reader, index, **parsed, offset); !applied.ok()) return applied;
  }
  result_.segments[index].bytes = reader->offset();
  return {};
}

Status Recoverer::replay_last() {
  const std::size_t index = result_.segments.size() - 1;
  Result<SegmentReader> reader = SegmentReader::open(directory_, result_.segments[index].number);
  if (!reader.ok()) return reader.status();
  while (true) {
    const std::uint64_t offset = reader->offset();
    const Result<std::optional<ParsedRecord>> parsed = reader->next();
    if (!parsed.ok()) return parsed.status();
    if (!*parsed) break;
    if (Status applied = apply(*reader, index, **parsed, offset); !applied.ok()) return applied;
  }
  return note_end(*reader);
}

/// A directory without a manifest is one in which a store was being created: at most segment 1, and empty. Anything in
/// it means that the manifest was lost, and creating a new store there would give every key a full quota again.
Status Recoverer::note_end(SegmentReader& reader) {
  Result<LastSegment> last = judge_log_end(reader, proven_);
  if (!last.ok()) return last.status();
  const bool holds_something = reader.expected() > 1 || last->nonzero_end > last->used;
  if (!result_.exists && holds_something) return missing(std::string(kManifestName));
  if (reader.expected() - 1 >= kHighestSeqAtOpen) {
    return reader.damaged(fmt::format("no log reaches sequence number {}", reader.expected()));
  }
  result_.segments.back().bytes = last->used;
  result_.last_seq = reader.expected() - 1;
  result_.last = *last;
  return {};
}

}  // namespace

Stats Recovery::stats() const {
  Stats stats;
  stats.log_bytes = replayed_bytes;
  stats.snapshot_bytes = snapshot_bytes;
  stats.last_seq = last_seq;
  stats.durable_seq = last_seq;
  stats.degraded = degraded;
  return stats;
}

Result<Listing> list_store(io::Directory& directory) {
  Result<std::vector<std::string>> names = directory.list();
  if (!names.ok()) return names.status();
  Listing listing;
  for (std::string& name : *names) {
    if (name == "flint.aof" || name == "flint.snapshot") listing.is_the_originals = true;
    if (name == kImportMarkName) listing.is_unfinished_import = true;
    if (name == kBackupMarkName) listing.is_unfinished_backup = true;
    const FileName file = classify(name);
    if (file.kind == FileKind::kSegment) listing.segments.push_back(file.number);
    if (file.kind == FileKind::kSnapshot) listing.snapshots.push_back(file.number);
    if (file.kind == FileKind::kTemporary) listing.temporaries.push_back(std::move(name));
    if (file.kind == FileKind::kTail) listing.tails.push_back(std::move(name));
  }
  // The names are sorted as text, which is not the order of the numbers once they outgrow their 12 digits.
  std::sort(listing.segments.begin(), listing.segments.end());
  std::sort(listing.snapshots.begin(), listing.snapshots.end());
  return listing;
}

Result<Recovery> recover(io::Directory& directory, Owner& state, UnfinishedImport unfinished,
                         const std::atomic<bool>* stop) {
  return Recoverer(directory, state, unfinished, stop).run();
}

}  // namespace flint::storage
