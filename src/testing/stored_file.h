#pragma once

#include <cstdint>
#include <vector>

#include "testing/dice.h"
#include "testing/page_image.h"

namespace flint::testing {

/// What the disk holds of one file, apart from what its readers see.
///
/// Three views: `current` (the page cache; passed in), `clean` (what the kernel believes to be on the disk) and
/// `durable` (what is). A sector is dirty while current differs from clean. clean and durable are the same until a sync
/// fails: Linux marks the pages clean all the same, so they stay lost unless they are changed again. Whether something
/// was changed is seen by comparing, since nobody sees a store through a map: storing the same bytes again does not
/// make a sector dirty.
class StoredFile {
 public:
  StoredFile() = default;
  /// On the disk, all of it.
  explicit StoredFile(const PageImage& content) : clean_(content), durable_(content), sizes_{content.size()} {}

  /// To be called for each change of the length, which reaches the disk on its own and in order.
  void size_changed(std::uint64_t size);

  void sync(const PageImage& current);
  /// None of what was dirty will be written. With dice, some of it was.
  void sync_failed(const PageImage& current, Dice* some);
  [[nodiscard]] bool is_dirty(const PageImage& current) const;
  /// What readers see once nothing that is clean is in memory any more: there, what the disk holds.
  [[nodiscard]] PageImage forget_clean(const PageImage& current);
  /// Some of what is dirty is written, as the kernel may do at any time.
  void write_back(const PageImage& current, Dice& dice);

  /// What a machine finds that lost power now. Each `unit` (a sector or a page) of what is dirty is old or new; the
  /// length is any that it had since the last sync, and what a truncation cut off does not come back by a later
  /// extension.
  [[nodiscard]] PageImage after_power_loss(const PageImage& current, std::size_t unit, Dice& dice) const;

  [[nodiscard]] const PageImage& clean() const { return clean_; }
  [[nodiscard]] const PageImage& durable() const { return durable_; }

 private:
  [[nodiscard]] std::vector<std::uint64_t> sizes_since_durable() const;

  PageImage clean_;
  PageImage durable_;
  /// The length at the last sync, then after each change.
  std::vector<std::uint64_t> sizes_{0};
};

}  // namespace flint::testing
