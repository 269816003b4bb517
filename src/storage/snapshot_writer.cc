#include "storage/snapshot_writer.h"

#include <array>

#include "base/assert.h"
#include "base/coding.h"
#include "storage/checksum.h"
#include "storage/errors.h"
#include "storage/file_names.h"
#include "storage/publish.h"

namespace flint::storage {
namespace {

/// A large snapshot is synced as it grows: one sync of hundreds of megabytes would hold up the log's syncs.
constexpr std::uint64_t kSyncEveryBytes = std::uint64_t{8} << 20;

}  // namespace

Result<SnapshotWriter> SnapshotWriter::open(io::Directory& directory, std::uint64_t generation, Seq position) {
  Result<std::unique_ptr<io::File>> file = create_temporary(directory, snapshot_name(generation));
  if (!file.ok()) return file.status();
  const FileHeader header{.file_id = random_file_id(), .number = generation, .seq = position, .bytes = 0};
  SnapshotWriter writer(directory, std::move(*file), header);
  if (Status written = writer.put(encode_header(kSnapshotMagic, header)); !written.ok()) {
    writer.discard();
    return written;
  }
  return writer;
}

SnapshotWriter::SnapshotWriter(io::Directory& directory, std::unique_ptr<io::File> file, const FileHeader& header)
    : directory_(&directory), file_(std::move(file)), header_(header), block_(block_header::kSize) {
  block_.reserve(block_header::kSize + kBlockTargetBytes + kMaxEntryBytes / 8);
}

Status SnapshotWriter::put(std::span<const std::byte> bytes) {
  if (Status written = file_->write_at(offset_, bytes); !written.ok()) return after_failed_write(written);
  offset_ += bytes.size();
  if (offset_ - synced_ < kSyncEveryBytes) return {};
  synced_ = offset_;
  Status synced = file_->sync();
  return synced.ok() ? synced : after_failed_write(synced);
}

Status SnapshotWriter::add(std::span<const std::byte> entry) {
  FLINT_ASSERT(entry.size() <= kMaxEntryBytes);
  std::array<std::byte, 4> size{};
  base::store_fixed(size.data(), static_cast<std::uint32_t>(entry.size()));
  block_.insert(block_.end(), size.begin(), size.end());
  block_.insert(block_.end(), entry.begin(), entry.end());
  ++block_entries_;
  return block_.size() >= block_header::kSize + kBlockTargetBytes ? write_block() : Status();
}

Status SnapshotWriter::write_block() {
  if (block_entries_ == 0) return {};
  std::byte* at = block_.data();
  const std::span<const std::byte> content = std::span(block_).subspan(block_header::kSize);
  base::store_fixed(at + block_header::kBytes, static_cast<std::uint32_t>(content.size()));
  base::store_fixed(at + block_header::kEntries, block_entries_);
  base::store_fixed(at + block_header::kChecksum, block_checksum(content, block_entries_, header_.file_id, offset_));
  if (Status written = put(block_); !written.ok()) return written;
  entries_ += block_entries_;
  ++blocks_;
  block_entries_ = 0;
  block_.resize(block_header::kSize);
  return {};
}

Status SnapshotWriter::finish(Seq max_seq) {
  if (Status written = write_block(); !written.ok()) return written;
  namespace footer = snapshot_footer;
  std::array<std::byte, footer::kSize> bytes{};
  base::store_fixed(bytes.data() + footer::kEntries, entries_);
  base::store_fixed(bytes.data() + footer::kBlocks, blocks_);
  base::store_fixed(bytes.data() + footer::kMaxSeq, max_seq);
  base::store_fixed(bytes.data() + footer::kFileBytes, offset_ + footer::kSize);
  base::store_fixed(bytes.data() + footer::kChecksum,
                    block_checksum(std::span(bytes).subspan(footer::kEntries), 0, header_.file_id, offset_));
  if (Status written = put(bytes); !written.ok()) return written;
  Status synced = file_->sync();
  return synced.ok() ? synced : after_failed_write(synced);
}

Status SnapshotWriter::publish() {
  Status renamed = rename_temporary(*directory_, snapshot_name(header_.number));
  // Somebody tidied the temporary file up: there is no snapshot, and nothing else is touched.
  if (renamed.code() == Code::kNotFound) return {Code::kIoError, renamed.message()};
  if (!renamed.ok()) return after_failed_write(renamed);
  Status synced = directory_->sync();
  return synced.ok() ? synced : after_failed_sync(synced);
}

void SnapshotWriter::discard() {
  file_.reset();
  remove_temporary(*directory_, snapshot_name(header_.number));
}

}  // namespace flint::storage
