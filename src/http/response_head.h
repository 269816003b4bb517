#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace flint::http {

/// The parts of an answer's head that differ between answers.
struct ResponseHead {
  int status = 200;
  /// The length of the body; nothing if it comes in chunks or ends with the connection.
  enum class Body : std::uint8_t { kLength, kChunked, kUntilClose } body = Body::kLength;
  std::size_t content_length = 0;
  /// Empty if there is no body.
  std::string_view content_type = "application/json";
  bool close = false;
  /// For HTTP/1.0 clients that asked for it.
  bool keep_alive = false;
  bool retry_after = false;
  bool ask_for_token = false;
  /// No web page of another origin may load or frame the answer.
  bool keep_browsers_out = false;
  /// Further fields, each with its line end.
  std::string_view fields;
  /// An HTTP date.
  std::string_view date;
};

/// Appends the head to `out`, including its empty line.
void append_head(std::string& out, const ResponseHead& head);

/// Appends `piece` as one chunk. An empty piece adds nothing, because an empty chunk would end the body.
void append_chunk(std::string& out, std::string_view piece);
void append_last_chunk(std::string& out);

/// `Mon, 23 Nov 2026 18:22:02 GMT`, for seconds since 1970.
[[nodiscard]] std::string http_date(std::int64_t unix_seconds);

}  // namespace flint::http
