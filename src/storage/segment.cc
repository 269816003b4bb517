#include "storage/segment.h"

#include <fmt/format.h>

#include <array>

#include "base/assert.h"
#include "storage/errors.h"
#include "storage/file_names.h"
#include "storage/publish.h"

namespace flint::storage {
namespace {

/// The whole new file under its temporary name, durable. Returns where its records end.
Result<std::uint64_t> fill_new(io::File& file, const FileHeader& header, const Segment::FirstRecords& first) {
  if (Status allocated = file.allocate(header.bytes); !allocated.ok()) return after_failed_write(allocated);
  const auto bytes = encode_header(kSegmentMagic, header);
  if (Status written = file.write_at(0, bytes); !written.ok()) return after_failed_write(written);
  Result<std::uint64_t> used = file_header::kSize;
  if (first) used = first(file);
  if (!used.ok()) return used;
  if (Status synced = file.sync(); !synced.ok()) return after_failed_write(synced);
  return used;
}

/// A rename that failed may have been done all the same. Left there, a new segment without records would end the log
/// for the next open, though the one before it goes on.
Status undo_rename(io::Directory& directory, std::string_view name) {
  Status removed = directory.remove(name);
  if (removed.code() == Code::kNotFound) return {};
  return removed.ok() ? directory.sync() : removed;
}

}  // namespace

Result<std::shared_ptr<Segment>> Segment::create(io::Directory& directory, const FileHeader& header,
                                                 const FirstRecords& first) {
  const std::string name = segment_name(header.number);
  Result<std::unique_ptr<io::File>> file = create_temporary(directory, name);
  if (!file.ok()) return file.status();
  Result<std::shared_ptr<Segment>> segment =
      create_in(directory, header, std::move(*file), temporary_name(name), first);
  return segment.code() == Code::kNotFound ? after_failed_write(segment.status()) : std::move(segment);
}

Result<std::shared_ptr<Segment>> Segment::create_in(io::Directory& directory, const FileHeader& header,
                                                    std::unique_ptr<io::File> file, std::string_view temporary,
                                                    const FirstRecords& first) {
  std::string name = segment_name(header.number);
  file->show_as(name);
  const Result<std::uint64_t> used = fill_new(*file, header, first);
  if (!used.ok()) {
    static_cast<void>(directory.remove(temporary));
    return used.status();
  }
  if (Status renamed = directory.rename(temporary, name); !renamed.ok()) {
    if (renamed.code() == Code::kNotFound) return renamed;
    static_cast<void>(directory.remove(temporary));
    if (Status undone = undo_rename(directory, name); !undone.ok()) return after_failed_sync(undone);
    return after_failed_write(renamed);
  }
  if (Status synced = directory.sync(); !synced.ok()) return after_failed_sync(synced);
  return std::make_shared<Segment>(std::move(file), std::move(name), header, *used);
}

Result<std::shared_ptr<Segment>> Segment::reopen(io::Directory& directory, const FileHeader& header,
                                                 std::uint64_t used) {
  std::string name = segment_name(header.number);
  Result<std::unique_ptr<io::File>> file = directory.open(name, io::OpenFile::kReadWrite);
  if (!file.ok()) return file.status();
  return std::make_shared<Segment>(std::move(*file), std::move(name), header, used);
}

Segment::Segment(std::unique_ptr<io::File> file, std::string name, const FileHeader& header, std::uint64_t used)
    : file_(std::move(file)), id_(file_->id()), name_(std::move(name)), header_(header), used_(used) {}

Status Segment::prepare() {
  // However long the file is: a copy that cp or a backup made has holes where the records are to go.
  if (Status allocated = file_->allocate(header_.bytes); !allocated.ok()) return after_failed_write(allocated);
  if (file_->can_map()) {
    // Without a map (no address space, say) plain writes do the same.
    if (Result<std::span<std::byte>> map = file_->map(header_.bytes); map.ok()) map_ = *map;
  }
  if (map_.empty()) scratch_.resize(kMaxRecordBytes);
  prepared_ = true;
  return {};
}

Status Segment::append(const Record& record, Seq durable_seq) {
  const std::size_t bytes = record_bytes(record.payload.size());
  FLINT_ASSERT(has_room(bytes));
  if (!prepared_) {
    if (Status prepared = prepare(); !prepared.ok()) return prepared;
  }
  std::byte* at = map_.empty() ? scratch_.data() : map_.data() + used_;
  encode_record(at, used_, header_.file_id, record, durable_seq);
  if (map_.empty()) {
    if (Status written = write({at, bytes}); !written.ok()) return written;
  }
  used_ += bytes;
  return {};
}

/// Of a record that did not fit on the disk, some part may be there. Its head is wiped out, so that no crash can bring
/// back a record that was reported as not appended; the next one is written over it. If nothing of the head is there,
/// nothing is written: where each write needs room of its own, that would not fit either.
Status Segment::write(std::span<const std::byte> bytes) {
  Status written = file_->write_at(used_, bytes);
  if (written.ok()) return written;
  written = after_failed_write(written);
  if (written.code() != Code::kDiskFull) return written;
  constexpr std::array<std::byte, kRecordAlignment> kNothing{};
  std::array<std::byte, kRecordAlignment> head{};
  const Result<std::size_t> got = file_->read_at(used_, head);
  if (got.ok() && head == kNothing) return written;
  if (Status wiped = file_->write_at(used_, kNothing); !wiped.ok()) return after_failed_sync(wiped);
  return written;
}

Status Segment::sync() {
  base::MutexLock lock(sync_mutex_);
  if (!sync_failure_.ok()) return sync_failure_;
  if (Status synced = file_->sync(); !synced.ok()) {
    sync_failure_ = after_failed_sync(synced);
  }
  return sync_failure_;
}

Status Segment::still_there(const io::Directory& directory) const {
  if (!id_.ok()) return after_failed_sync(id_.status());
  const Result<io::FileId> named = directory.id_of(name_);
  if (!named.ok() && named.code() != Code::kNotFound) return after_failed_sync(named.status());
  if (named.ok() && *named == *id_) return {};
  return {Code::kStorageFailed,
          fmt::format("{}/{} was deleted or replaced while it was written to, so what was decided since then may be "
                      "lost. Leave the files alone, and open the directory again.",
                      directory.path(), name_)};
}

Status Segment::seal_off() { return file_->truncate(used_); }

}  // namespace flint::storage
