#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/file_system.h"
#include "storage/format.h"
#include "storage/log_reader.h"

/// A snapshot: a header, blocks of entries, and a footer that shows that the snapshot is complete. The reader verifies
/// every byte before it returns it.
namespace flint::storage {

/// After any failure the caller calls discard(), which removes the snapshot. Errors: kDiskFull, or kStorageFailed if
/// the disk failed. Only open() also fails for other reasons (too many open files, say), and then changes nothing.
class SnapshotWriter {
 public:
  static Result<SnapshotWriter> open(io::Directory& directory, std::uint64_t generation, Seq position);

  /// Adds an entry of at most kMaxEntryBytes.
  Status add(std::span<const std::byte> entry);
  /// Writes the remaining entries and the footer, and makes the content durable. No entry is newer than `max_seq`.
  Status finish(Seq max_seq);
  /// Gives the finished file its name, durably. Fails with kIoError, and changes nothing, if another program removed
  /// it.
  Status publish();
  void discard();

  [[nodiscard]] std::uint64_t bytes() const noexcept { return offset_; }

 private:
  SnapshotWriter(io::Directory& directory, std::unique_ptr<io::File> file, const FileHeader& header);
  Status put(std::span<const std::byte> bytes);
  Status write_block();

  io::Directory* directory_;
  std::unique_ptr<io::File> file_;
  FileHeader header_;
  /// The block being filled; its first bytes are room for its header.
  std::vector<std::byte> block_;
  std::uint32_t block_entries_ = 0;
  std::uint64_t offset_ = 0;
  std::uint64_t synced_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t blocks_ = 0;
};

class SnapshotReader {
 public:
  /// Checks header and footer. Fails with kNotFound, with kCorruption or kUnsupportedFormat and the place, or with the
  /// file system's error.
  static Result<SnapshotReader> open(io::Directory& directory, std::uint64_t generation);

  [[nodiscard]] Seq position() const noexcept { return file_.header.seq; }
  [[nodiscard]] Seq max_seq() const noexcept { return max_seq_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return window_.end(); }
  [[nodiscard]] std::uint64_t entries() const noexcept { return entries_; }
  [[nodiscard]] const std::string& name() const noexcept { return file_.name; }
  /// The offset of the block with the last entry.
  [[nodiscard]] std::uint64_t offset() const noexcept { return block_offset_; }

  /// The next entry, from a block whose checksum was verified. Nothing after the last entry, once the counts and the
  /// end of the file have been verified too. Valid until the next call.
  Result<std::optional<std::span<const std::byte>>> next();

 private:
  explicit SnapshotReader(HeadedFile file);
  Status read_footer();
  /// False at the footer.
  Result<bool> next_block();

  HeadedFile file_;
  FileWindow window_;
  Seq max_seq_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t blocks_ = 0;

  std::uint64_t offset_ = file_header::kSize;
  std::uint64_t block_offset_ = 0;
  std::span<const std::byte> block_;
  std::uint32_t block_entries_ = 0;
  std::uint64_t seen_entries_ = 0;
  std::uint64_t seen_blocks_ = 0;
};

}  // namespace flint::storage
