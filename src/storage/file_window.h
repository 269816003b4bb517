#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "io/file_system.h"

/// Reads a file front to back through a buffer of bounded size, whatever the file's.
namespace flint::storage {

class FileWindow {
 public:
  /// `file` outlives the window. Nothing at or behind `end` is read.
  FileWindow(const io::File& file, std::uint64_t end) : file_(file), end_(end) {}

  /// At least `wanted` bytes from `offset` on, fewer only at the end; usually many more. Valid until the next call.
  Result<std::span<const std::byte>> at(std::uint64_t offset, std::size_t wanted);

  /// Where bytes that may not be zero begin, from `offset` on; end() when there are none. Invalidates nothing.
  [[nodiscard]] Result<std::uint64_t> next_data(std::uint64_t offset) const;

  [[nodiscard]] std::uint64_t end() const noexcept { return end_; }

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{256} << 10;

  const io::File& file_;
  std::uint64_t end_;
  std::vector<std::byte> buffer_;
  std::uint64_t begin_ = 0;
  std::size_t filled_ = 0;
};

}  // namespace flint::storage
