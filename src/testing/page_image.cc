#include "testing/page_image.h"

#include <algorithm>
#include <cstring>

namespace flint::testing {
namespace {

constexpr PageImage::Page kZeros{};

}  // namespace

PageImage::PageImage(std::uint64_t size)
    : size_(size), pages_(static_cast<std::size_t>((size + kPageBytes - 1) / kPageBytes)) {}

PageImage::PageImage(const io::MemoryContent& content, const PageImage& before) : PageImage(content.size()) {
  for (std::size_t index = 0; index < pages_.size(); ++index) {
    const std::uint64_t begin = index * kPageBytes;
    const Page& known = before.page(index);
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kPageBytes, size_ - begin));
    const bool zero_after = std::all_of(known.begin() + static_cast<std::ptrdiff_t>(count), known.end(),
                                        [](std::byte byte) { return byte == std::byte{0}; });
    if (zero_after && content.equals(begin, std::span(known).first(count))) {
      pages_[index] = before.shared(index);
      continue;
    }
    Page now{};
    content.read(begin, std::span(now).first(count));
    pages_[index] = std::make_shared<const Page>(now);
  }
}

bool PageImage::equal(const Page& one, const Page& other) noexcept {
  return std::memcmp(one.data(), other.data(), kPageBytes) == 0;
}

const PageImage::Page& PageImage::page(std::size_t index) const {
  const bool zeros = index >= pages_.size() || pages_[index] == nullptr;
  return zeros ? kZeros : *pages_[index];
}

bool PageImage::shares_page(const PageImage& other, std::size_t index) const {
  return shared(index) == other.shared(index);
}

void PageImage::set_page(std::size_t index, const Page& page) { pages_[index] = std::make_shared<const Page>(page); }

void PageImage::share_page(std::size_t index, const PageImage& from) { pages_[index] = from.shared(index); }

void PageImage::write_to(io::MemoryContent& content) const {
  content.resize(size_);
  for (std::size_t index = 0; index < pages_.size(); ++index) {
    if (pages_[index] == nullptr) continue;
    const std::uint64_t begin = index * kPageBytes;
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kPageBytes, size_ - begin));
    content.write(begin, std::span(*pages_[index]).first(count));
  }
}

}  // namespace flint::testing
