#include "storage/repair_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "storage/errors.h"
#include "storage/file_names.h"
#include "storage/segment_reader.h"
#include "storage/snapshot_reader.h"

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

/// The newest snapshot that the log leads on from without a gap. Entries of a snapshot may be newer than its position,
/// and without the records up to the newest entry the state would be no moment of the past: then one before is better,
/// and only if there is none, the snapshot is taken as it is.
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

bool Chooser::follow_segment(std::uint64_t number, std::optional<std::uint64_t> next, Kept& kept) {
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

}  // namespace flint::storage
