#include "storage/snapshot.h"

#include <array>

#include "base/assert.h"
#include "base/coding.h"
#include "storage/errors.h"
#include "storage/files.h"
#include "storage/format.h"

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

/// Blocks, each with a checksum, instead of one for the file: a reader can hand on the entries of a block before it has
/// read the next one, and a message about damage names the place.
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

/// The counts, the size and max_seq are at the end, because they are known only then: in the header, they would have to
/// be written over bytes that are already synced.
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
  // Another program removed the temporary file. There is no snapshot, but nothing else has changed either, so this
  // compaction fails and the store continues.
  if (renamed.code() == Code::kNotFound) return {Code::kIoError, renamed.message()};
  if (!renamed.ok()) return after_failed_write(renamed);
  Status synced = directory_->sync();
  return synced.ok() ? synced : after_failed_sync(synced);
}

void SnapshotWriter::discard() {
  file_.reset();
  remove_temporary(*directory_, snapshot_name(header_.number));
}

using Bytes = std::span<const std::byte>;

Result<SnapshotReader> SnapshotReader::open(io::Directory& directory, std::uint64_t generation) {
  Result<HeadedFile> file = HeadedFile::open(directory, snapshot_name(generation), kSnapshotMagic, generation);
  if (!file.ok()) return file.status();
  SnapshotReader reader(*std::move(file));
  if (Status whole = reader.read_footer(); !whole.ok()) return whole;
  return reader;
}

SnapshotReader::SnapshotReader(HeadedFile file) : file_(std::move(file)), window_(*file_.file, file_.bytes) {}

/// The footer comes first: it tells an incomplete or cut file before any entry has reached the owner, and its max_seq
/// is needed to judge every entry.
Status SnapshotReader::read_footer() {
  namespace footer = snapshot_footer;
  const std::uint64_t size = window_.end();
  if (size < file_header::kSize + footer::kSize) return file_.damaged(size, "the snapshot ends before its footer");
  const std::uint64_t at = size - footer::kSize;
  const Result<Bytes> got = window_.at(at, footer::kSize);
  if (!got.ok()) return got.status();
  if (got->size() < footer::kSize) return file_.damaged(at, "the snapshot became shorter while it was read");
  const Bytes bytes = got->first(footer::kSize);
  if (base::load_fixed<std::uint64_t>(bytes.data() + footer::kZero) != 0 ||
      base::load_fixed<std::uint64_t>(bytes.data() + footer::kChecksum) !=
          block_checksum(bytes.subspan(footer::kEntries), 0, file_.header.file_id, at) ||
      base::load_fixed<std::uint64_t>(bytes.data() + footer::kFileBytes) != size) {
    return file_.damaged(at, "there is no footer of this snapshot");
  }
  entries_ = base::load_fixed<std::uint64_t>(bytes.data() + footer::kEntries);
  blocks_ = base::load_fixed<std::uint64_t>(bytes.data() + footer::kBlocks);
  max_seq_ = base::load_fixed<Seq>(bytes.data() + footer::kMaxSeq);
  if (max_seq_ >= kHighestSeqAtOpen)
    return file_.damaged(at, "no log reaches the last sequence number of the snapshot");
  return max_seq_ < file_.header.seq ? file_.damaged(at, "the snapshot ends before its own position") : Status();
}

/// The size is bounded before the block is read: it decides how much memory is taken, and its checksum can only be
/// compared afterwards.
Result<bool> SnapshotReader::next_block() {
  const std::uint64_t footer_at = window_.end() - snapshot_footer::kSize;
  if (offset_ == footer_at) {
    if (seen_entries_ == entries_ && seen_blocks_ == blocks_) return false;
    return file_.damaged(offset_, "blocks or entries are missing before the footer");
  }
  Result<Bytes> got = window_.at(offset_, block_header::kSize);
  if (!got.ok()) return got.status();
  if (got->size() < block_header::kSize) return file_.damaged(offset_, "the snapshot became shorter while it was read");
  const std::size_t size = base::load_fixed<std::uint32_t>(got->data() + block_header::kBytes);
  const auto entries = base::load_fixed<std::uint32_t>(got->data() + block_header::kEntries);
  const auto sum = base::load_fixed<std::uint64_t>(got->data() + block_header::kChecksum);
  const std::size_t whole = block_header::kSize + size;
  if (size == 0 || size > kMaxBlockBytes || offset_ + whole > footer_at) {
    return file_.damaged(offset_, "the block there has an impossible size");
  }
  got = window_.at(offset_, whole);
  if (!got.ok()) return got.status();
  if (got->size() < whole) return file_.damaged(offset_, "the snapshot became shorter while it was read");
  block_ = got->subspan(block_header::kSize, size);
  if (sum != block_checksum(block_, entries, file_.header.file_id, offset_)) {
    return file_.damaged(offset_, "the block there does not match its checksum");
  }
  block_offset_ = offset_;
  block_entries_ = entries;
  seen_entries_ += entries;
  ++seen_blocks_;
  offset_ += whole;
  return true;
}

Result<std::optional<Bytes>> SnapshotReader::next() {
  if (block_.empty()) {
    if (block_entries_ != 0) return file_.damaged(block_offset_, "the block there holds fewer entries than it says");
    const Result<bool> more = next_block();
    if (!more.ok()) return more.status();
    if (!*more) return std::optional<Bytes>();
  }
  if (block_entries_ == 0 || block_.size() < 4)
    return file_.damaged(block_offset_, "the block's entries do not add up");
  const std::size_t size = base::load_fixed<std::uint32_t>(block_.data());
  if (size > block_.size() - 4) return file_.damaged(block_offset_, "an entry is longer than its block");
  const Bytes entry = block_.subspan(4, size);
  block_ = block_.subspan(4 + size);
  --block_entries_;
  return std::optional<Bytes>(entry);
}

}  // namespace flint::storage
