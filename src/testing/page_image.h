#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "io/memory_tree.h"

namespace flint::testing {

inline constexpr std::size_t kPageBytes = 4096;
inline constexpr std::size_t kSectorBytes = 512;  ///< What a disk writes whole or not at all.
inline constexpr std::size_t kSectorsPerPage = kPageBytes / kSectorBytes;

/// The content of a file at one moment. Images share the pages that are equal, so that keeping several views of a file
/// costs what differs between them. Bytes past the size are zero.
class PageImage {
 public:
  using Page = std::array<std::byte, kPageBytes>;
  /// memcmp, because operator== of an array goes byte by byte: 20 times slower, and crash points are many.
  [[nodiscard]] static bool equal(const Page& one, const Page& other) noexcept;

  PageImage() = default;
  /// Zeros.
  explicit PageImage(std::uint64_t size);
  /// What `content` holds now. Pages that are as in `before` are shared with it.
  PageImage(const io::MemoryContent& content, const PageImage& before);

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::size_t page_count() const { return pages_.size(); }
  /// Zeros past the end.
  [[nodiscard]] const Page& page(std::size_t index) const;
  /// The same page in memory, hence the same bytes.
  [[nodiscard]] bool shares_page(const PageImage& other, std::size_t index) const;
  void set_page(std::size_t index, const Page& page);
  void share_page(std::size_t index, const PageImage& from);

  void write_to(io::MemoryContent& content) const;

 private:
  using SharedPage = std::shared_ptr<const Page>;

  [[nodiscard]] SharedPage shared(std::size_t index) const { return index < pages_.size() ? pages_[index] : nullptr; }

  std::uint64_t size_ = 0;
  std::vector<SharedPage> pages_;  ///< Null: zeros.
};

}  // namespace flint::testing
