#include "storage/settle.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "storage/errors.h"
#include "storage/file_names.h"
#include "storage/fitting.h"
#include "storage/publish.h"

namespace flint::storage {
namespace {

class Settler {
 public:
  Settler(io::Directory& directory, const SegmentSizes& sizes, Recovery& recovery)
      : directory_(directory), sizes_(sizes), recovery_(recovery) {}

  Result<std::shared_ptr<Segment>> run();

 private:
  [[nodiscard]] bool is_settled() const;
  Result<std::shared_ptr<Segment>> find_segment();
  Status make_recovered_durable();
  Status copy_tail();
  Result<std::shared_ptr<Segment>> start_segment();
  Status write_manifest();
  void undo();

  io::Directory& directory_;
  const SegmentSizes& sizes_;
  Recovery& recovery_;
  std::vector<std::string> created_;
};

/// Closed in order, and the manifest, which is written last, says so: every byte is on stable storage.
bool Settler::is_settled() const {
  return recovery_.exists && recovery_.manifest.version == kFormatVersion && recovery_.last->is_reusable() &&
         recovery_.manifest.durable_seq == recovery_.last_seq &&
         recovery_.manifest.last_segment == recovery_.last->header.number && recovery_.leftovers.empty();
}

Result<std::shared_ptr<Segment>> Settler::run() {
  if (recovery_.last && is_settled()) return Segment::reopen(directory_, recovery_.last->header, recovery_.last->used);
  Result<std::shared_ptr<Segment>> segment = find_segment();
  Status status = segment.status();
  if (status.ok()) status = write_manifest();
  if (status.ok()) return segment;
  // After a failure of the disk the new manifest may be in place, and name what was created.
  if (status.code() != Code::kStorageFailed) undo();
  return status;
}

Result<std::shared_ptr<Segment>> Settler::find_segment() {
  if (!recovery_.last) return start_segment();
  if (Status durable = make_recovered_durable(); !durable.ok()) return durable;
  if (recovery_.last->is_reusable()) {
    return Segment::reopen(directory_, recovery_.last->header, recovery_.last->used);
  }
  if (Status copied = copy_tail(); !copied.ok()) return copied;
  return start_segment();
}

/// What recovery read may be in the page cache only, and so may the names: a process that was killed synced neither.
Status Settler::make_recovered_durable() {
  Result<std::unique_ptr<io::File>> file =
      directory_.open(segment_name(recovery_.last->header.number), io::OpenFile::kReadWrite);
  if (!file.ok()) return file.status();
  if (Status synced = (*file)->sync(); !synced.ok()) return after_failed_sync(synced);
  if (Status synced = directory_.sync(); !synced.ok()) return after_failed_sync(synced);
  return {};
}

Status Settler::copy_tail() {
  const LastSegment& last = *recovery_.last;
  if (last.nonzero_end == last.used) return {};
  const std::string segment = segment_name(last.header.number);
  Result<std::unique_ptr<io::File>> file = directory_.open(segment, io::OpenFile::kRead);
  if (!file.ok()) return file.status();
  std::vector<std::byte> tail(static_cast<std::size_t>(last.nonzero_end - last.used));
  const Result<std::size_t> got = (*file)->read_at(last.used, tail);
  if (!got.ok()) return got.status();

  const std::string name = tail_name(last.header.number, last.used);
  if (Status written = write_temporary(directory_, name, std::span(tail).first(*got)); !written.ok()) return written;
  if (Status renamed = rename_temporary(directory_, name); !renamed.ok()) {
    remove_temporary(directory_, name);
    return after_failed_write(renamed);
  }
  created_.push_back(name);
  recovery_.findings.push_back(
      {.fatal = false,
       .message = fmt::format("{}/{}: the machine stopped while record {} at offset {} was being written. What was "
                              "there had never been durable; it was dropped, and its {} bytes are in {}, which you may "
                              "delete.",
                              directory_.path(), segment, recovery_.last_seq + 1, last.used, *got, name)});
  return {};
}

Result<std::shared_ptr<Segment>> Settler::start_segment() {
  const std::uint64_t number = recovery_.last ? recovery_.last->header.number + 1 : recovery_.manifest.first_segment;
  const FileHeader header{.file_id = random_file_id(),
                          .number = number,
                          .seq = recovery_.last_seq + 1,
                          .bytes = sizes_.first,
                          .previous = recovery_.last ? recovery_.last->header.number : 0};
  Result<std::shared_ptr<Segment>> segment = create_what_fits(
      header, kStoreRecordBytes, [this](const FileHeader& fitting) { return Segment::create(directory_, fitting); });
  if (!segment.ok()) return segment;
  created_.push_back(segment_name(number));
  recovery_.segments.push_back({.number = number, .first_seq = header.seq, .bytes = file_header::kSize});
  return segment;
}

Status Settler::write_manifest() {
  ManifestFile file(directory_, recovery_.manifest);
  Status written = file.update([this](Manifest& manifest) {
    manifest.durable_seq = recovery_.last_seq;
    manifest.last_segment = recovery_.segments.back().number;
  });
  recovery_.manifest = file.current();
  return written;
}

void Settler::undo() {
  for (auto name = created_.rbegin(); name != created_.rend(); ++name) static_cast<void>(directory_.remove(*name));
}

}  // namespace

Result<std::shared_ptr<Segment>> settle(io::Directory& directory, const SegmentSizes& sizes, Recovery& recovery) {
  Recovery attempt = recovery;
  Result<std::shared_ptr<Segment>> segment = Settler(directory, sizes, attempt).run();
  if (segment.code() == Code::kDiskFull) {  // what the segment left may have been too little for the manifest
    attempt = recovery;
    const SegmentSizes smallest{std::min(sizes.first, kUsualBlockBytes), sizes.largest};
    segment = Settler(directory, smallest, attempt).run();
  }
  recovery = std::move(attempt);
  return segment;
}

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
