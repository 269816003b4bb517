#include "storage/settle.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "storage/errors.h"
#include "storage/files.h"
#include "storage/log_writer.h"

namespace flint::storage {
namespace {

class Settler {
 public:
  Settler(io::Directory& directory, const SegmentSizes& sizes, Recovery& recovery)
      : directory_(directory), sizes_(sizes), recovery_(recovery) {}

  Result<std::shared_ptr<Segment>> run();

 private:
  [[nodiscard]] bool goes_on_in_last() const;
  Result<std::shared_ptr<Segment>> find_segment();
  Status copy_tail();
  [[nodiscard]] std::uint64_t segment_bytes() const;
  void drop_superseded();
  Result<std::shared_ptr<Segment>> start_segment();
  Status write_manifest();
  Status undo();

  io::Directory& directory_;
  const SegmentSizes& sizes_;
  Recovery& recovery_;
  std::vector<std::string> created_;
};

/// Whether the newest segment may be appended to: it ends in order, and the manifest, which is written after a sync,
/// proves all of it and its name. The clean-close mark is not enough, because it may be in the page cache alone. A
/// segment that is larger than the options allow is not continued either: each append would ask for all of its space
/// again.
bool Settler::goes_on_in_last() const {
  const Manifest& manifest = recovery_.manifest;
  return recovery_.exists && recovery_.last && manifest.version == kFormatVersion && recovery_.last->is_reusable() &&
         manifest.durable_seq == recovery_.last_seq && manifest.last_segment == recovery_.last->header.number &&
         recovery_.last->header.bytes <= std::max(sizes_.first, sizes_.largest);
}

/// Turns what recovery read into a log that can be appended to, so that a crash at any point leaves either the old
/// directory or the new one: first the new segment, whole and durable; then the manifest that names it; and only after
/// this, in the caller, the removal of what it no longer names. A failure before the manifest takes the new segment
/// away again. A failure of the manifest's own syncs takes nothing away, since the manifest on the disk may already
/// name it.
Result<std::shared_ptr<Segment>> Settler::run() {
  Result<std::shared_ptr<Segment>> segment = find_segment();
  Status status = segment.status();
  // The manifest must be on stable storage before files are removed that it does not name, and the one that was read
  // may be in the page cache alone.
  const bool is_settled = goes_on_in_last() && recovery_.leftovers.empty();
  if (status.ok() && !is_settled) status = write_manifest();
  if (status.ok()) return segment;
  // After a failure of the disk the new manifest may be in place, and name what was created.
  if (status.code() == Code::kStorageFailed) return status;
  const Status undone = undo();
  return undone.ok() ? status : after_failed_sync(undone);
}

Result<std::shared_ptr<Segment>> Settler::find_segment() {
  if (goes_on_in_last()) return Segment::reopen(directory_, recovery_.last->header, recovery_.last->used);
  if (recovery_.last) {
    if (Status copied = copy_tail(); !copied.ok()) return copied;
  }
  return start_segment();
}

/// The bytes of a torn record are not needed for anything, and are kept all the same: if the judgement was wrong, they
/// are the only evidence. They are copied and not left in place, since the next segment ends this one before them.
Status Settler::copy_tail() {
  const LastSegment& last = *recovery_.last;
  if (last.nonzero_end == last.used) return {};
  const std::string segment = segment_name(last.header.number);
  Result<std::unique_ptr<io::File>> file = directory_.open(segment, io::OpenFile::kRead);
  if (!file.ok()) return file.status();
  const std::string name = tail_name(last.header.number, last.used);
  Result<std::unique_ptr<io::File>> tail = create_temporary(directory_, name);
  if (!tail.ok()) return tail.status();
  const Result<std::uint64_t> copied = copy_bytes(**file, last.used, last.nonzero_end, **tail);
  Status written = copied.ok() ? (*tail)->sync() : copied.status();
  if (!written.ok()) {
    remove_temporary(directory_, name);
    return after_failed_write(written);
  }
  if (Status renamed = rename_temporary(directory_, name); !renamed.ok()) {
    remove_temporary(directory_, name);
    return after_failed_write(renamed);
  }
  created_.push_back(name);
  recovery_.findings.push_back(
      {.fatal = false,
       .message = fmt::format("{}/{}: record {} at offset {} is incomplete: it was being written when the process or "
                              "the machine stopped, and nothing shows that it had been durable. It is not part of the "
                              "log, and its {} bytes are in {}, which you may delete.",
                              directory_.path(), segment, recovery_.last_seq + 1, last.used, *copied, name)});
  return {};
}

/// Doubled until what is written again fits: one segment must hold all of it, because its rename is the step that makes
/// the whole set durable at once.
std::uint64_t Settler::segment_bytes() const {
  const std::uint64_t least = file_header::kSize + recovery_.unproven.bytes + kSegmentReserve;
  std::uint64_t bytes = sizes_.first;
  if (recovery_.unproven.bytes == 0) return bytes;
  while (bytes < least && bytes < sizes_.largest) bytes *= 2;
  return std::max(bytes, least);
}

/// Removes from the chain the segments whose records are all written again into the next one. The empty segment of a
/// store that was never completed is replaced under its own name.
void Settler::drop_superseded() {
  while (!recovery_.segments.empty() && recovery_.segments.back().first_seq > recovery_.proven_seq) {
    if (recovery_.exists) recovery_.leftovers.push_back(segment_name(recovery_.segments.back().number));
    recovery_.segments.pop_back();
  }
  const Unproven& unproven = recovery_.unproven;
  if (unproven.bytes > 0 && unproven.segment + 1 == recovery_.segments.size()) {
    recovery_.segments.back().bytes = unproven.offset;
  }
}

/// A store that was never completed begins again under the same name: of its old file it is not known whether it is on
/// the disk. The new segment names the last one that is kept as its predecessor, which takes the replaced ones out of
/// the chain in the same moment in which it gets its name.
Result<std::shared_ptr<Segment>> Settler::start_segment() {
  const bool begins = !recovery_.exists || !recovery_.last;
  const std::uint64_t number = begins ? recovery_.manifest.first_segment : recovery_.last->header.number + 1;
  const std::vector<SegmentInfo> recovered = recovery_.segments;
  drop_superseded();
  const FileHeader header{.file_id = random_file_id(),
                          .number = number,
                          .seq = recovery_.proven_seq + 1,
                          .bytes = segment_bytes(),
                          .previous = recovery_.segments.empty() ? 0 : recovery_.segments.back().number};
  Segment::FirstRecords again;
  if (recovery_.unproven.bytes > 0) {
    again = [&](io::File& file) {
      return write_again(directory_, recovered, recovery_.unproven, recovery_.last_seq, file, header);
    };
  }
  Result<std::shared_ptr<Segment>> segment =
      create_what_fits(header, recovery_.unproven.bytes + kStoreRecordBytes,
                       [&](const FileHeader& fitting) { return Segment::create(directory_, fitting, again); });
  if (!segment.ok()) return segment;
  created_.push_back(segment_name(number));
  recovery_.segments.push_back({.number = number, .first_seq = header.seq, .bytes = (*segment)->used()});
  return segment;
}

Status Settler::write_manifest() {
  ManifestFile file(directory_, recovery_.manifest);
  Status written = file.update([this](Manifest& manifest) {
    manifest.durable_seq = recovery_.last_seq;
    manifest.first_segment = recovery_.segments.front().number;
    manifest.last_segment = recovery_.segments.back().number;
  });
  recovery_.manifest = file.current();
  return written;
}

/// The removal is synced. If a power loss took it back, the segment would return after a later open had continued with
/// fewer records, and would bring back records that no reader had been shown.
Status Settler::undo() {
  for (auto name = created_.rbegin(); name != created_.rend(); ++name) {
    if (Status removed = directory_.remove(*name); !removed.ok()) return removed;
  }
  return created_.empty() ? Status() : directory_.sync();
}

}  // namespace

Result<std::shared_ptr<Segment>> settle(io::Directory& directory, const SegmentSizes& sizes, Recovery& recovery) {
  const auto attempt = [&](const SegmentSizes& with) {
    Recovery settled = recovery;
    Result<std::shared_ptr<Segment>> segment = Settler(directory, with, settled).run();
    if (segment.ok()) recovery = std::move(settled);
    return segment;
  };
  Result<std::shared_ptr<Segment>> segment = attempt(sizes);
  if (segment.code() != Code::kDiskFull) return segment;
  // The segment may have fitted and left too little for the manifest: so again, with the smallest one.
  return attempt({std::min(sizes.first, kUsualBlockBytes), sizes.largest});
}

/// A kill leaves segments at their full reserved length. Only complete ones are cut, since their end is known from the
/// next one's header; the newest one keeps its length for the appends to come. Best effort: it is only space.
void give_back_room(io::Directory& directory, const Recovery& recovery) {
  for (std::size_t i = 0; i + 1 < recovery.segments.size(); ++i) {
    const SegmentInfo& segment = recovery.segments[i];
    const Result<std::unique_ptr<io::File>> file =
        directory.open(segment_name(segment.number), io::OpenFile::kReadWrite);
    if (!file.ok()) continue;
    const Result<std::uint64_t> size = (*file)->size();
    if (size.ok() && *size > segment.bytes) static_cast<void>((*file)->truncate(segment.bytes));
  }
}

void remove_leftovers(io::Directory& directory, const Recovery& recovery) {
  for (const std::string& name : recovery.leftovers) static_cast<void>(directory.remove(name));
}

}  // namespace flint::storage
