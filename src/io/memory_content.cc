#include <algorithm>
#include <array>
#include <cstring>

#include "base/assert.h"
#include "io/memory_tree.h"

#if defined(__SANITIZE_THREAD__)
#define FLINT_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FLINT_THREAD_SANITIZER 1
#endif
#endif

namespace flint::io {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kMaxGrowth = std::uint64_t{16} << 20;

std::uint64_t round_up_to_page(std::uint64_t size) { return (size + kPage - 1) / kPage * kPage; }

}  // namespace

#if defined(FLINT_THREAD_SANITIZER)
// volatile, because the sanitizer sees through memcpy and memcmp, which plain loops would become.
__attribute__((no_sanitize("thread"), noinline)) void copy_shared(std::byte* to, const std::byte* shared,
                                                                  std::size_t size) noexcept {
  const volatile std::byte* from = shared;
  for (std::size_t i = 0; i < size; ++i) to[i] = from[i];
}
__attribute__((no_sanitize("thread"), noinline)) bool equal_shared(const std::byte* shared, const std::byte* other,
                                                                   std::size_t size) noexcept {
  const volatile std::byte* one = shared;
  for (std::size_t i = 0; i < size; ++i) {
    if (one[i] != other[i]) return false;
  }
  return true;
}
#else
void copy_shared(std::byte* to, const std::byte* shared, std::size_t size) noexcept { std::memcpy(to, shared, size); }
bool equal_shared(const std::byte* shared, const std::byte* other, std::size_t size) noexcept {
  return std::memcmp(shared, other, size) == 0;
}
#endif

// A file grows by extents that never move, because a map is a pointer into the first one and must stay valid while
// other threads write. Only without maps are the extents joined.
MemoryContent::Extent MemoryContent::make_extent(std::uint64_t begin, std::uint64_t size) {
  // calloc: large preallocated files cost no memory until they are touched.
  std::unique_ptr<std::byte[], Free> bytes(static_cast<std::byte*>(std::calloc(size, 1)));
  FLINT_ASSERT(bytes != nullptr);
  return {std::move(bytes), begin, size};
}

template <typename Visit>
void MemoryContent::for_pieces(std::uint64_t offset, std::uint64_t count, Visit visit) const {
  for (const Extent& extent : extents_) {
    if (count == 0) return;
    if (offset >= extent.begin + extent.size) continue;
    const std::uint64_t inside = offset - extent.begin;
    const std::uint64_t piece = std::min(count, extent.size - inside);
    visit(extent.bytes.get() + inside, static_cast<std::size_t>(piece));
    offset += piece;
    count -= piece;
  }
}

std::uint64_t MemoryContent::size() const {
  const base::MutexLock lock(mutex_);
  return size_;
}

std::size_t MemoryContent::read(std::uint64_t offset, std::span<std::byte> out) const {
  const base::MutexLock lock(mutex_);
  if (offset >= size_) return 0;
  const std::uint64_t count = std::min<std::uint64_t>(out.size(), size_ - offset);
  std::byte* to = out.data();
  for_pieces(offset, count, [&](const std::byte* from, std::size_t piece) {
    copy_shared(to, from, piece);
    to += piece;
  });
  return static_cast<std::size_t>(count);
}

bool MemoryContent::equals(std::uint64_t offset, std::span<const std::byte> bytes) const {
  const base::MutexLock lock(mutex_);
  if (offset + bytes.size() > size_) return false;
  bool equal = true;
  const std::byte* other = bytes.data();
  for_pieces(offset, bytes.size(), [&](const std::byte* shared, std::size_t piece) {
    equal = equal && equal_shared(shared, other, piece);
    other += piece;
  });
  return equal;
}

std::uint64_t MemoryContent::next_data(std::uint64_t offset) const {
  static constexpr std::array<std::byte, kPage> kZeros{};
  const base::MutexLock lock(mutex_);
  while (offset < size_) {
    const std::uint64_t count = std::min(kPage - offset % kPage, size_ - offset);
    bool is_zero = true;
    for_pieces(offset, count, [&](const std::byte* shared, std::size_t piece) {
      is_zero = is_zero && equal_shared(shared, kZeros.data(), piece);
    });
    if (!is_zero) return offset;
    offset += count;
  }
  return offset;
}

void MemoryContent::write(std::uint64_t offset, std::span<const std::byte> data) {
  const base::MutexLock lock(mutex_);
  const std::uint64_t end = offset + data.size();
  reserve(end);
  size_ = std::max(size_, end);
  const std::byte* from = data.data();
  for_pieces(offset, data.size(), [&](std::byte* to, std::size_t piece) {
    std::memcpy(to, from, piece);
    from += piece;
  });
}

// Cut bytes are zeroed, since the same memory shows again when the file grows, and a real file would read zeros there.
void MemoryContent::resize(std::uint64_t size) {
  const base::MutexLock lock(mutex_);
  if (size > size_) {
    reserve(size);
  } else {
    for_pieces(size, size_ - size, [](std::byte* at, std::size_t piece) { std::memset(at, 0, piece); });
  }
  size_ = size;
}

std::span<std::byte> MemoryContent::map(std::uint64_t size) {
  const base::MutexLock lock(mutex_);
  FLINT_ASSERT(size > 0 && size <= size_);
  if (size > extents_.front().size) {
    if (maps_ > 0) return {};
    join_extents();
  }
  ++maps_;
  return {extents_.front().bytes.get(), static_cast<std::size_t>(size)};
}

void MemoryContent::unmap() {
  const base::MutexLock lock(mutex_);
  --maps_;
}

void MemoryContent::reserve(std::uint64_t size) {
  if (size <= capacity_) return;
  const std::uint64_t growth = std::max(size - capacity_, std::min(capacity_, kMaxGrowth));
  extents_.push_back(make_extent(capacity_, round_up_to_page(growth)));
  capacity_ += extents_.back().size;
}

void MemoryContent::join_extents() {
  Extent whole = make_extent(0, capacity_);
  for (const Extent& extent : extents_) std::memcpy(whole.bytes.get() + extent.begin, extent.bytes.get(), extent.size);
  extents_.clear();
  extents_.push_back(std::move(whole));
}

}  // namespace flint::io
