#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/request_head.h"

namespace flint::http {

inline constexpr std::size_t kMaxBodyBytes = 256 * 1024;
/// Of a chunk's extensions, and of all trailer fields together.
inline constexpr std::size_t kMaxChunkLineBytes = 256;
inline constexpr std::size_t kMaxTrailerBytes = 4 * 1024;

/// Reads a body in `chunked` coding, strictly: hexadecimal sizes, CR LF wherever a line ends, short extensions, few
/// trailers (which are checked and dropped). What it says depends on the bytes alone, never on how they came.
class ChunkedBody {
 public:
  enum class State : std::uint8_t { kNeedsMore, kDone, kBad };

  /// Reads from the front of `bytes`, appends data to `body`, and sets `used` to what it has read. After kNeedsMore,
  /// `used` is all.
  State parse(std::string_view bytes, std::string& body, std::size_t& used);

  /// After kBad.
  [[nodiscard]] const BadRequest& error() const { return *error_; }

 private:
  enum class Part : std::uint8_t { kSizeLine, kData, kDataEnd, kTrailers };

  /// Appends to line_ up to a line end; whether there was one.
  bool read_line(std::string_view& bytes, std::size_t most);
  State begin_chunk(std::size_t body_bytes);
  State end_trailer(bool& done);
  State bad(std::string_view message);

  Part part_ = Part::kSizeLine;
  /// The line that is being read, with its CR.
  std::string line_;
  bool line_too_long_ = false;
  std::uint64_t chunk_left_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::optional<BadRequest> error_;
};

/// For a body that is, or says it will be, longer than kMaxBodyBytes.
[[nodiscard]] BadRequest body_too_large() noexcept;

}  // namespace flint::http
