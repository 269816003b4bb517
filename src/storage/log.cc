#include "storage/log.h"

#include <algorithm>
#include <chrono>

#include "base/assert.h"
#include "storage/errors.h"
#include "storage/file_names.h"
#include "storage/fitting.h"
#include "storage/publish.h"

namespace flint::storage {
namespace {

constexpr std::string_view kSpareName = "log-next";

}  // namespace

Log::Log(io::Directory& directory, const io::DirectoryLock& lock, Failure& failure, StoreFront& front,
         SegmentSizes sizes, std::vector<SegmentInfo> complete, std::shared_ptr<Segment> current, Seq last_seq)
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

Result<Seq> Log::append(RecordKind kind, std::span<const std::byte> payload) {
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

/// A segment that was opened again wants all of the room back that its close gave away. A smaller one may do.
Result<Seq> Log::put_first(RecordKind kind, std::span<const std::byte> payload, std::size_t wanted) {
  Result<Seq> seq = put(kind, payload);
  if (seq.code() != Code::kDiskFull || current_->is_prepared()) return seq;
  if (Status started = start_next(sizes_.first, wanted); !started.ok()) return started;
  return put(kind, payload);
}

Result<Seq> Log::append_own(StoreKind kind) {
  FLINT_ASSERT(current_->has_room(kStoreRecordBytes));
  return put(static_cast<RecordKind>(kind), {});
}

Result<Seq> Log::put(RecordKind kind, std::span<const std::byte> payload) {
  const Seq seq = last_seq_.load(std::memory_order_relaxed) + 1;
  const Record record{.kind = kind, .seq = seq, .payload = payload};
  if (Status appended = current_->append(record, durable_seq()); !appended.ok()) [[unlikely]] {
    return failure_.note(std::move(appended));
  }
  appended_.store(appended_.load(std::memory_order_relaxed) + record_bytes(payload.size()), std::memory_order_relaxed);
  last_seq_.store(seq, std::memory_order_release);
  return seq;
}

Status Log::rotate() { return is_empty() ? Status() : start_next(sizes_.first, kStoreRecordBytes); }

/// The order is what recovery relies on: a segment is complete and durable before a newer one exists.
Status Log::start_next(std::uint64_t bytes, std::size_t wanted) {
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

  // Room that cannot be given back is only room: the segment is complete in any case.
  static_cast<void>(current_->seal_off());
  complete_.push_back(current_info());
  current_ = std::move(*next);
  hold_spare();  // with the descriptor that the old segment had, unless somebody is just syncing it
  return {};
}

Result<std::shared_ptr<Segment>> Log::create_next(const FileHeader& header) {
  if (spare_ != nullptr) {
    Result<std::shared_ptr<Segment>> next =
        Segment::create_in(directory_, header, std::move(spare_), temporary_name(kSpareName));
    // Somebody may have tidied the temporary file up.
    if (next.code() != Code::kNotFound) return next;
  }
  return Segment::create(directory_, header);
}

void Log::hold_spare() {
  if (spare_ != nullptr) return;
  if (Result<std::unique_ptr<io::File>> file = create_temporary(directory_, kSpareName); file.ok()) {
    spare_ = std::move(*file);
  }
}

void Log::drop_spare() {
  if (spare_ == nullptr) return;
  spare_.reset();
  remove_temporary(directory_, kSpareName);
}

SegmentInfo Log::current_info() const noexcept {
  return {.number = current_->header().number, .first_seq = current_->header().seq, .bytes = current_->used()};
}

void Log::drop_before(std::uint64_t number) {
  std::erase_if(complete_, [number](const SegmentInfo& segment) { return segment.number < number; });
}

Status Log::commit(Segment& segment, Seq seq) {
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

/// A compaction may remove the segment while a late caller still syncs it. By then a later segment was started, and
/// that made durable everything in this one: so only a loss of what no other commit has covered counts.
Status Log::check_name(const Segment& segment, Seq seq) {
  Status there = segment.still_there(directory_);
  if (there.ok() || durable_seq() >= seq) return {};
  return failure_.note(std::move(there));
}

Status Log::check_lock() { return failure_.note(lock_.still_held()); }

std::uint64_t Log::advance_durable(Seq seq) noexcept {
  Seq known = durable_seq_.load(std::memory_order_relaxed);
  while (known < seq) {
    if (durable_seq_.compare_exchange_weak(known, seq, std::memory_order_acq_rel)) return seq - known;
  }
  return 0;
}

}  // namespace flint::storage
