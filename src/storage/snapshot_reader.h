#pragma once

#include <memory>
#include <optional>
#include <string>

#include "storage/file_header.h"
#include "storage/file_window.h"

/// Reads one snapshot, and vouches for every byte that it shows.
namespace flint::storage {

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
