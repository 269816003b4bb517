#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/file_system.h"
#include "storage/file_header.h"

/// Writes one snapshot: a header, blocks of entries, a footer that says the snapshot is whole.
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

}  // namespace flint::storage
