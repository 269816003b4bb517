#include "original/line_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

namespace flint::original {

/// The length of a line is bounded while it is read: a file without line ends would otherwise be read into memory
/// whole.
Result<std::optional<Line>> LineReader::next() {
  constexpr std::size_t kPiece = std::size_t{256} << 10;
  std::size_t searched = begin_;
  std::size_t end = buffer_.find('\n', searched);
  while (end == std::string::npos && !at_end_) {
    if (buffer_.size() - begin_ > kMostBytes) {
      ++number_;
      return Status(Code::kInvalidArgument, fmt::format("the line is longer than {} bytes.", kMostBytes));
    }
    buffer_.erase(0, begin_);
    begin_ = 0;
    searched = buffer_.size();
    buffer_.resize(searched + kPiece);
    const Result<std::size_t> got = file_.read_at(read_, std::as_writable_bytes(std::span(buffer_).subspan(searched)));
    if (!got.ok()) return got.status();
    buffer_.resize(searched + *got);
    read_ += *got;
    at_end_ = *got == 0;
    end = buffer_.find('\n', searched);
  }
  const std::uint64_t offset = read_ - (buffer_.size() - begin_);
  if (end == std::string::npos && begin_ == buffer_.size()) return std::optional<Line>();
  const bool ended = end != std::string::npos;
  const Line line{.text = std::string_view(buffer_).substr(begin_, std::min(end, buffer_.size()) - begin_),
                  .number = ++number_,
                  .offset = offset,
                  .ended = ended};
  begin_ = ended ? end + 1 : buffer_.size();
  return std::optional<Line>(line);
}

}  // namespace flint::original
