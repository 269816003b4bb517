#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/file_system.h"
#include "storage/format.h"
#include "storage/log_reader.h"

/// One snapshot: a header, blocks of entries, and a footer that says the snapshot is whole. The reader vouches for
/// every byte that it shows.
namespace flint::storage {

/// On any failure the caller calls discard(), and nothing of the snapshot is left. Errors: kDiskFull, or kStorageFailed
/// when the disk failed; open() alone also fails for other reasons (too many open files, say), with nothing changed.
class SnapshotWriter {
 public:
  static Result<SnapshotWriter> open(io::Directory& directory, std::uint64_t generation, Seq position);

  /// At most kMaxEntryBytes.
  Status add(std::span<const std::byte> entry);
  /// The rest of the entries and the footer; no entry is newer than `max_seq`. The content is durable then.
  Status finish(Seq max_seq);
  /// Gives the finished file its name, durably. kIoError, with nothing changed, when somebody removed it meanwhile.
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
  /// The block that is being filled, with room for its header in front.
  std::vector<std::byte> block_;
  std::uint32_t block_entries_ = 0;
  std::uint64_t offset_ = 0;
  std::uint64_t synced_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t blocks_ = 0;
};

class SnapshotReader {
 public:
  /// Checks header and footer. kNotFound, kCorruption or kUnsupportedFormat with the place, or what the file system
  /// said.
  static Result<SnapshotReader> open(io::Directory& directory, std::uint64_t generation);

  [[nodiscard]] Seq position() const noexcept { return header_.seq; }
  [[nodiscard]] Seq max_seq() const noexcept { return max_seq_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return window_.end(); }
  [[nodiscard]] std::uint64_t entries() const noexcept { return entries_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Where the block of the last entry stands.
  [[nodiscard]] std::uint64_t offset() const noexcept { return block_offset_; }

  /// The next entry, from a block whose checksum was verified; nothing after the last one, when count and end have
  /// been verified too. Valid until the next call.
  Result<std::optional<std::span<const std::byte>>> next();

 private:
  SnapshotReader(io::Directory& directory, std::string name, std::unique_ptr<io::File> file, FileHeader header,
                 std::uint64_t bytes);
  Status read_footer();
  /// False when the footer is reached.
  Result<bool> next_block();
  [[nodiscard]] Status damaged(std::uint64_t offset, std::string_view what) const;

  io::Directory* directory_;
  std::string name_;
  std::unique_ptr<io::File> file_;
  FileHeader header_;
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
