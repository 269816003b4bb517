#include "storage/log_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "base/assert.h"
#include "storage/errors.h"
#include "storage/files.h"

namespace flint::storage {
namespace {

/// Writes the whole new file under its temporary name, and syncs it. Returns where its records end. The file gets its
/// whole length before its first record: recovery takes a segment that is shorter than its header says for one that was
/// cut off. The sync comes before the rename, so that a file under its final name is complete.
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

/// A rename that failed may have happened all the same. If the new segment, which has no records, stayed there, the
/// next open would end the log at it, although the segment before it continues.
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

/// A failure leaves either no trace or a store that stops. Until the rename everything happened under a temporary name,
/// which no reader looks at. After it, the name may or may not be on the disk: if the rename cannot be taken back, or
/// the directory not be synced, the next open may see a segment that this process does not use.
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
  // Reserved whatever the length of the file says: a copy made by cp or a backup has holes where the records will go.
  if (Status allocated = file_->allocate(header_.bytes); !allocated.ok()) return after_failed_write(allocated);
  if (file_->can_map()) {
    // Without a map (no address space, say) plain writes do the same.
    if (Result<std::span<std::byte>> map = file_->map(header_.bytes); map.ok()) map_ = *map;
  }
  if (map_.empty()) scratch_.resize(kMaxRecordBytes);
  prepared_ = true;
  return {};
}

/// The record is encoded where it will stay: in the map, or in the buffer of the one write. used_ advances only after
/// success, so a record that did not fit is overwritten by the next one and is never followed by a good one. Reserving
/// the space is put off to the first append, because a reopened segment that nobody writes to should take none.
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

/// A record that did not fit on the disk may be there in part. Its head is wiped, so that no crash can bring back a
/// record that was reported as not appended; the next record overwrites the rest. If nothing of the head is there,
/// nothing is wiped: on a file system where each write takes new space, that write would not fit either.
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

/// A failed sync is remembered and never repeated. The kernel marks the pages clean after reporting the failure once,
/// so a second sync would return success over data that is not on the disk. The mutex lets one caller sync at a time:
/// of two concurrent calls, the kernel would report the failure to one, and success to the other.
Status Segment::sync() {
  base::MutexLock lock(sync_mutex_);
  if (!sync_failure_.ok()) return sync_failure_;
  if (Status synced = file_->sync(); !synced.ok()) {
    sync_failure_ = after_failed_sync(synced);
  }
  return sync_failure_;
}

/// A sync makes a file durable, not its name. If the file was deleted or replaced, every record since then is in a file
/// that no open will find. The name is therefore compared after each sync and before an answer leaves.
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

namespace {

constexpr std::string_view kSpareName = "log-next";

}  // namespace

LogWriter::LogWriter(io::Directory& directory, const io::DirectoryLock& lock, Failure& failure, StoreFront& front,
                     SegmentSizes sizes, std::vector<SegmentInfo> complete, std::shared_ptr<Segment> current,
                     Seq last_seq)
    : directory_(directory),
      lock_(lock),
      failure_(failure),
      sizes_(sizes),
      complete_(std::move(complete)),
      current_(std::move(current)),
      last_seq_(last_seq),
      durable_seq_(front.durable_seq),
      unsynced_(front.unsynced) {
  durable_seq_.store(last_seq, std::memory_order_release);
}

/// Space for the store's own records (seal, clean close) is kept free after every record of the owner: those must fit
/// without a new segment, for which a full disk may have no space.
Result<Seq> LogWriter::append(RecordKind kind, std::span<const std::byte> payload) {
  FLINT_ASSERT(kind != 0 && kind < kFirstStoreKind);
  FLINT_ASSERT(payload.size() <= kMaxPayloadBytes);
  const std::size_t wanted = record_bytes(payload.size()) + kSegmentReserve;
  if (!current_->has_room(wanted)) [[unlikely]] {
    // Only a segment that was full is followed by a larger one.
    if (Status started = start_next(current_->header().bytes * 2, wanted); !started.ok()) return started;
  }
  if (!current_->is_prepared()) [[unlikely]]
    return put_first(kind, payload, wanted);
  return put(kind, payload);
}

/// A segment that was opened again wants back all of the space that its close gave away. If the disk has become fuller,
/// that fails with megabytes free, and so would every check from then on; a new, smaller segment may still fit.
Result<Seq> LogWriter::put_first(RecordKind kind, std::span<const std::byte> payload, std::size_t wanted) {
  Result<Seq> seq = put(kind, payload);
  if (seq.code() != Code::kDiskFull || current_->is_prepared()) return seq;
  if (Status started = start_next(sizes_.first, wanted); !started.ok()) return started;
  return put(kind, payload);
}

Result<Seq> LogWriter::append_own(StoreKind kind) {
  FLINT_ASSERT(current_->has_room(kStoreRecordBytes));
  return put(static_cast<RecordKind>(kind), {});
}

/// durable_seq() goes into the record as its lag, which is what later proves the records before it. It may be out of
/// date by the time the record is written: an older value is still true. last_seq_ is published last, so that a thread
/// which sees the number finds the record in the segment.
Result<Seq> LogWriter::put(RecordKind kind, std::span<const std::byte> payload) {
  const Seq seq = last_seq_.load(std::memory_order_relaxed) + 1;
  const Record record{.kind = kind, .seq = seq, .payload = payload};
  if (Status appended = current_->append(record, durable_seq()); !appended.ok()) [[unlikely]] {
    return failure_.note(std::move(appended));
  }
  appended_.store(appended_.load(std::memory_order_relaxed) + record_bytes(payload.size()), std::memory_order_relaxed);
  last_seq_.store(seq, std::memory_order_release);
  return seq;
}

Status LogWriter::rotate() { return is_empty() ? Status() : start_next(sizes_.first, kStoreRecordBytes); }

/// Recovery relies on this order: a segment is complete and durable before a newer one exists. So only the newest
/// segment can have a torn end, and a bad record in any other one is damage, without a doubt. The price is a sync
/// inside the critical section, once in tens of megabytes. Starting the next segment in the background would avoid it,
/// but then two segments could be torn at once, and the rule for the end of the log would have to judge them together.
///
/// The name is checked, too: a replaced segment would make a chain whose last link was never in the directory.
Status LogWriter::start_next(std::uint64_t bytes, std::size_t wanted) {
  unsynced_.sync_begins();
  if (Status committed = commit(*current_, last_seq()); !committed.ok()) return committed;
  if (Status there = failure_.note(current_->still_there(directory_)); !there.ok()) return there;

  const FileHeader& old = current_->header();
  const std::uint64_t within_limits = std::clamp(bytes, sizes_.first, std::max(sizes_.first, sizes_.largest));
  const FileHeader header{.file_id = random_file_id(),
                          .number = old.number + 1,
                          .seq = last_seq() + 1,
                          .bytes = disk_was_full_ ? 0 : within_limits,
                          .previous = old.number};
  Result<std::shared_ptr<Segment>> next =
      create_what_fits(header, wanted, [this](const FileHeader& fitting) { return create_next(fitting); });
  // While the disk stays full, each attempt asks for the least at once: callers wait for it.
  disk_was_full_ = next.code() == Code::kDiskFull;
  if (!next.ok()) return failure_.note(next.status());

  // Giving back the unused space is a courtesy: the segment is complete whether or not it works.
  static_cast<void>(current_->seal_off());
  complete_.push_back(current_info());
  current_ = std::move(*next);
  hold_spare();  // with the descriptor that the old segment had, unless another thread is still syncing it
  return {};
}

bool LogWriter::spare_is_in_its_place() const {
  if (spare_ == nullptr) return false;
  const Result<io::FileId> own = spare_->id();
  const Result<io::FileId> named = directory_.id_of(temporary_name(kSpareName));
  return own.ok() && named.ok() && *own == *named;
}

Result<std::shared_ptr<Segment>> LogWriter::create_next(const FileHeader& header) {
  if (spare_is_in_its_place()) {
    Result<std::shared_ptr<Segment>> next =
        Segment::create_in(directory_, header, std::move(spare_), temporary_name(kSpareName));
    // Another program may have removed the temporary file.
    if (next.code() != Code::kNotFound) return next;
  }
  return Segment::create(directory_, header);
}

void LogWriter::hold_spare() {
  if (spare_ != nullptr) return;
  if (Result<std::unique_ptr<io::File>> file = create_temporary(directory_, kSpareName); file.ok()) {
    spare_ = std::move(*file);
  }
}

void LogWriter::drop_spare() {
  if (spare_ == nullptr) return;
  spare_.reset();
  remove_temporary(directory_, kSpareName);
}

SegmentInfo LogWriter::current_info() const noexcept {
  return {.number = current_->header().number, .first_seq = current_->header().seq, .bytes = current_->used()};
}

void LogWriter::drop_before(std::uint64_t number) {
  std::erase_if(complete_, [number](const SegmentInfo& segment) { return segment.number < number; });
}

/// Three checks, in this order, before any record counts as durable: the sync worked; the lock file is still ours, so
/// no other process has begun to write; the file still has its name, so an open will find it. Checking before the sync
/// would leave the duration of the sync unchecked. Only then is durable_seq published, and answers may leave.
Status LogWriter::commit(Segment& segment, Seq seq) {
  const auto begin = std::chrono::steady_clock::now();
  if (Status synced = segment.sync(); !synced.ok()) return failure_.note(std::move(synced));
  const Nanos took = std::chrono::steady_clock::now() - begin;
  if (Status held = check_lock(); !held.ok()) return held;
  if (Status there = check_name(segment, seq); !there.ok()) return there;
  const std::uint64_t records = advance_durable(seq);
  base::MutexLock lock(recording_);
  sync_nanos_.record(static_cast<std::uint64_t>(took.count()));
  if (records > 0) sync_records_.record(records);
  return {};
}

/// A compaction may remove the segment while a late caller still syncs it. By then a later segment had been started,
/// which made everything in this one durable. So a missing name matters only if no other commit covers the record.
Status LogWriter::check_name(const Segment& segment, Seq seq) {
  Status there = segment.still_there(directory_);
  if (there.ok() || durable_seq() >= seq) return {};
  return failure_.note(std::move(there));
}

Status LogWriter::check_lock() { return failure_.note(lock_.still_held()); }

/// The start of a segment and a group commit may end in either order, so the value never goes back: a plain store could
/// withdraw what another thread has already told its caller.
std::uint64_t LogWriter::advance_durable(Seq seq) noexcept {
  Seq known = durable_seq_.load(std::memory_order_relaxed);
  while (known < seq) {
    if (durable_seq_.compare_exchange_weak(known, seq, std::memory_order_acq_rel)) return seq - known;
  }
  return 0;
}

}  // namespace flint::storage
