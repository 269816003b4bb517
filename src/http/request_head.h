#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "api/exchange.h"

/// The head of a request: request line and fields, parsed more strictly than RFC 9112 requires. Everything that two
/// readers could understand in two ways is refused, because a proxy in front of the server may be the other reader.
namespace flint::http {

inline constexpr std::size_t kMaxHeadBytes = 16 * 1024;
inline constexpr std::size_t kMaxRequestLineBytes = 8 * 1024;
inline constexpr std::size_t kMaxFields = 64;

/// The refusal of a malformed request, with its HTTP status. The connection closes after it.
struct BadRequest {
  int status = 400;
  std::string_view code;
  std::string_view message;
};

/// The checked contents of a head. Refers to the bytes that were read.
struct RequestHead {
  enum class Framing : std::uint8_t { kNoBody, kLength, kChunked };

  api::Method method = api::Method::kOther;
  /// The request is a HEAD, so its answer has no body.
  bool is_head_method = false;
  /// TRACE or CONNECT, which no path accepts.
  bool is_never_served = false;
  /// False for a method that is not one of HTTP.
  bool implemented = false;
  bool http_1_0 = false;
  /// Whether the client wants to keep the connection, by its version and Connection field.
  bool keep_alive = true;
  Framing framing = Framing::kNoBody;
  std::uint64_t content_length = 0;
  bool expects_continue = false;
  bool expects_other = false;
  /// A browser reports that a page of another site sent the request (Sec-Fetch-Site).
  bool from_other_site = false;
  bool has_content_encoding = false;
  std::string_view path;
  std::string_view query;
  /// The lines of the fields, each with its line end.
  std::string_view fields;
  /// A valid authority; may be absent only in HTTP/1.0.
  std::optional<std::string_view> host;
  std::optional<std::string_view> authorization;
  /// The page that sent the request, by its browser.
  std::optional<std::string_view> origin;
  std::optional<std::string_view> content_type;

  [[nodiscard]] bool has_body() const {
    return framing == Framing::kChunked || (framing == Framing::kLength && content_length > 0);
  }
};

/// Parses one head, each line as soon as it is complete. The result depends only on the bytes, not on how they arrive.
class HeadParser {
 public:
  enum class State : std::uint8_t { kNeedsMore, kDone, kBad };

  /// `bytes` begins where the request begins. It is what the last call got, at the same address, plus the bytes since
  /// then. Must not be called after kBad, nor after kDone before a reset.
  State parse(std::string_view bytes);
  void reset() { *this = HeadParser(); }

  /// After kDone.
  [[nodiscard]] const RequestHead& head() const { return head_; }
  [[nodiscard]] std::size_t size() const { return line_begin_; }
  /// After kBad.
  [[nodiscard]] const BadRequest& error() const { return *error_; }

 private:
  State parse_request_line(std::string_view line);
  State parse_target(std::string_view method, std::string_view target);
  State parse_field(std::string_view line);
  State note_field(std::string_view name, std::string_view value);
  State note_content_length(std::string_view value);
  State note_transfer_encoding(std::string_view value);
  State note_once(std::optional<std::string_view>& field, std::string_view value, std::string_view message);
  void note_connection(std::string_view value);
  State finish();
  State bad(std::string_view message) { return bad(400, "bad_request", message); }
  State bad(int status, std::string_view code, std::string_view message);

  RequestHead head_;
  std::optional<BadRequest> error_;
  std::optional<std::string_view> target_authority_;
  std::size_t line_begin_ = 0;
  std::size_t fields_begin_ = 0;
  /// There is no line feed between line_begin_ and here.
  std::size_t scanned_ = 0;
  std::size_t fields_ = 0;
  bool has_request_line_ = false;
  bool skipped_empty_line_ = false;
  bool has_length_ = false;
  bool has_transfer_encoding_ = false;
  bool connection_close_ = false;
  bool connection_keep_alive_ = false;
};

/// The name and the trimmed value of a line `name: value` without its line end; nothing if it is not an HTTP field.
struct Field {
  std::string_view name;
  std::string_view value;
};
[[nodiscard]] std::optional<Field> parse_field_line(std::string_view line) noexcept;

}  // namespace flint::http
