#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/exchange.h"
#include "http/request_head.h"

namespace flint::http {

/// The limit for a chunk's extensions, and for all trailer fields together.
inline constexpr std::size_t kMaxChunkLineBytes = 256;
inline constexpr std::size_t kMaxTrailerBytes = 4 * 1024;

/// Reads a body in `chunked` coding, strictly: hexadecimal sizes, CR LF at the end of each line, short extensions, few
/// trailers (which are checked and dropped). The result depends only on the bytes, not on how they arrive.
class ChunkedBody {
 public:
  enum class State : std::uint8_t { kNeedsMore, kDone, kBad };

  /// The body may have `most_bytes`.
  explicit ChunkedBody(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  /// Reads from the front of `bytes`, appends data to `body`, and sets `used` to the number of bytes read. After
  /// kNeedsMore, that is all of them.
  State parse(std::string_view bytes, std::string& body, std::size_t& used);

  /// After kBad.
  [[nodiscard]] const BadRequest& error() const { return *error_; }

 private:
  enum class Part : std::uint8_t { kSizeLine, kData, kDataEnd, kTrailers };

  /// Appends to line_ up to a line end. Returns whether there was one.
  bool read_line(std::string_view& bytes, std::size_t most);
  State begin_chunk(std::size_t body_bytes);
  State end_trailer(bool& done);
  State bad(std::string_view message);

  std::size_t most_bytes_;
  Part part_ = Part::kSizeLine;
  /// The line being read, including its CR.
  std::string line_;
  bool line_too_long_ = false;
  std::uint64_t chunk_left_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::optional<BadRequest> error_;
};

/// The refusal of a body longer than `most_bytes`, as received or as declared.
[[nodiscard]] BadRequest body_too_large(std::size_t most_bytes) noexcept;

}  // namespace flint::http
