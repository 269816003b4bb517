#include "storage/file_window.h"

namespace flint::storage {

Result<std::span<const std::byte>> FileWindow::at(std::uint64_t offset, std::size_t wanted) {
  if (offset >= end_) return std::span<const std::byte>();
  const auto available = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, end_ - offset));
  if (offset < begin_ || offset + available > begin_ + filled_) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(std::max(wanted, kBufferBytes), end_ - offset));
    if (buffer_.size() < size) buffer_.resize(size);
    filled_ = 0;
    const Result<std::size_t> got = file_.read_at(offset, std::span(buffer_).first(size));
    if (!got.ok()) return got.status();
    begin_ = offset;
    filled_ = *got;
  }
  return std::span<const std::byte>(buffer_).subspan(static_cast<std::size_t>(offset - begin_),
                                                     filled_ - static_cast<std::size_t>(offset - begin_));
}

Result<std::uint64_t> FileWindow::next_data(std::uint64_t offset) const {
  if (offset >= end_ || (offset >= begin_ && offset < begin_ + filled_)) return std::min(offset, end_);
  const Result<std::uint64_t> data = file_.next_data(offset);
  return data.ok() ? std::min(*data, end_) : data;
}

}  // namespace flint::storage
