#include "testing/stored_file.h"

#include <algorithm>
#include <cstring>

namespace flint::testing {
namespace {

/// Which of the lengths reached the disk, and what that means for the bytes.
struct Cut {
  std::uint64_t size = 0;
  std::uint64_t old_end = 0;  ///< From here on, old bytes were cut off by a truncation that is on the disk.
  std::uint64_t new_end = 0;  ///< From here on, new bytes went to blocks of a length that is not.
};

Cut cut_at(std::span<const std::uint64_t> sizes, std::size_t chosen) {
  const auto middle = sizes.begin() + static_cast<std::ptrdiff_t>(chosen);
  return {sizes[chosen], *std::min_element(sizes.begin(), middle + 1), *std::min_element(middle, sizes.end())};
}

/// The part of `unit` bytes at `begin` that lies before `end`.
std::size_t bytes_before(std::uint64_t end, std::uint64_t begin, std::size_t unit) {
  return begin >= end ? 0 : static_cast<std::size_t>(std::min<std::uint64_t>(unit, end - begin));
}

/// `old` with each unit that differs replaced by that of `current` where choose(offset) says so, within what `cut`
/// allows.
template <typename Choose>
PageImage mix(const PageImage& old, const PageImage& current, const Cut& cut, std::size_t unit, Choose choose) {
  PageImage mixed(cut.size);
  const std::uint64_t new_end = std::min(cut.new_end, cut.size);
  for (std::size_t index = 0; index < mixed.page_count(); ++index) {
    const std::uint64_t begin = index * kPageBytes;
    const bool old_is_cut = std::min(cut.old_end, cut.size) < std::min(begin + kPageBytes, old.size());
    if (!old_is_cut && old.shares_page(current, index)) {
      mixed.share_page(index, old);
      continue;
    }
    PageImage::Page page{};
    std::memcpy(page.data(), old.page(index).data(), bytes_before(cut.old_end, begin, kPageBytes));
    for (std::size_t at = 0; at < kPageBytes; at += unit) {
      const std::byte* const bytes = current.page(index).data() + at;
      const std::size_t allowed = bytes_before(new_end, begin + at, unit);
      const bool differs = std::memcmp(bytes, page.data() + at, allowed) != 0;
      if (differs && choose(begin + at)) std::memcpy(page.data() + at, bytes, allowed);
    }
    if (PageImage::equal(page, current.page(index))) {
      mixed.share_page(index, current);
    } else {
      mixed.set_page(index, page);
    }
  }
  return mixed;
}

/// Whether the sector at `offset` was changed since it was as in `clean`; one that was cut off in between was.
bool is_sector_dirty(const PageImage& current, const PageImage& clean, const Cut& cut, std::uint64_t offset) {
  const auto page = static_cast<std::size_t>(offset / kPageBytes);
  const auto at = static_cast<std::size_t>(offset % kPageBytes);
  return offset + kSectorBytes > cut.old_end ||
         std::memcmp(current.page(page).data() + at, clean.page(page).data() + at, kSectorBytes) != 0;
}

}  // namespace

void StoredFile::size_changed(std::uint64_t size) {
  if (sizes_.back() != size) sizes_.push_back(size);
}

void StoredFile::sync(const PageImage& current) {
  const bool resized = sizes_.size() > 1;
  Cut cut = cut_at(sizes_, sizes_.size() - 1);
  if (!resized) cut.size = durable_.size();  // a length that a failed sync lost stays lost
  durable_ = mix(durable_, current, cut, kSectorBytes,
                 [&](std::uint64_t offset) { return is_sector_dirty(current, clean_, cut, offset); });
  clean_ = current;
  sizes_ = {current.size()};
}

void StoredFile::sync_failed(const PageImage& current, Dice* some) {
  if (some != nullptr) durable_ = after_power_loss(current, kSectorBytes, *some);
  clean_ = current;
  sizes_ = {current.size()};
}

bool StoredFile::is_dirty(const PageImage& current) const {
  if (sizes_.size() > 1) return true;
  for (std::size_t page = 0; page < current.page_count(); ++page) {
    if (!current.shares_page(clean_, page) && !PageImage::equal(current.page(page), clean_.page(page))) return true;
  }
  return false;
}

PageImage StoredFile::forget_clean(const PageImage& current) {
  PageImage seen(current.size());
  for (std::size_t index = 0; index < seen.page_count(); ++index) {
    PageImage::Page page = current.page(index);
    PageImage::Page clean = clean_.page(index);
    for (std::size_t at = 0; at < kPageBytes; at += kSectorBytes) {
      if (std::memcmp(page.data() + at, clean.data() + at, kSectorBytes) != 0) continue;
      std::memcpy(page.data() + at, durable_.page(index).data() + at, kSectorBytes);
      std::memcpy(clean.data() + at, page.data() + at, kSectorBytes);
    }
    seen.set_page(index, page);
    if (index < clean_.page_count()) clean_.set_page(index, clean);
  }
  return seen;
}

void StoredFile::write_back(const PageImage& current, Dice& dice) {
  const std::size_t chosen = dice.chance(50) ? sizes_.size() - 1 : 0;
  const std::uint64_t seed = dice.next();
  const unsigned percent = dice.bias();
  // The same sectors in both views, whatever else differs between them.
  const auto picked = [&](std::uint64_t offset) { return Dice(seed + offset).chance(percent); };
  const Cut cut = cut_at(sizes_, chosen);
  Cut durable_cut = cut;
  if (chosen == 0) durable_cut.size = durable_.size();
  durable_ = mix(durable_, current, durable_cut, kSectorBytes,
                 [&](std::uint64_t offset) { return picked(offset) && is_sector_dirty(current, clean_, cut, offset); });
  clean_ = mix(clean_, current, cut, kSectorBytes, picked);
  sizes_.erase(sizes_.begin(), sizes_.begin() + static_cast<std::ptrdiff_t>(chosen));
}

PageImage StoredFile::after_power_loss(const PageImage& current, std::size_t unit, Dice& dice) const {
  const std::vector<std::uint64_t> sizes = sizes_since_durable();
  const Cut cut = cut_at(sizes, dice.below(sizes.size()));
  const unsigned percent = dice.bias();
  return mix(durable_, current, cut, unit, [&](std::uint64_t) { return dice.chance(percent); });
}

std::vector<std::uint64_t> StoredFile::sizes_since_durable() const {
  std::vector<std::uint64_t> sizes = sizes_;
  if (durable_.size() != sizes.front()) sizes.insert(sizes.begin(), durable_.size());
  return sizes;
}

}  // namespace flint::testing
