#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "api/exchange.h"
#include "http/chunked_body.h"
#include "http/request_head.h"

namespace flint::http {

/// Turns the bytes of a connection into requests, one after the other. It stops between head and body, so that its
/// caller can decide whether to read the body. The result depends only on the bytes, not on how they arrive.
class RequestReader {
 public:
  enum class Step : std::uint8_t {
    /// Read into space(), then filled().
    kNeedsMore,
    /// head() is available; read_body() or skip_body() is next.
    kHead,
    /// The request is complete: path, query and body() are available until finish().
    kRequest,
    /// error() says why. Nothing follows.
    kBad,
  };

  RequestReader();

  /// Free space for more bytes; never empty after kNeedsMore. May move the bytes, which invalidates head().
  [[nodiscard]] std::span<char> space();
  void filled(std::size_t count) { end_ += count; }

  /// The next step. Without a change in between, calling it again gives the same result.
  Step next();
  /// After kHead. A body longer than `most_bytes` is kBad, whether its length is declared or found out.
  void read_body(std::size_t most_bytes = api::kMaxBodyBytes);
  /// After kHead of a request without a body: the next request begins after the head.
  void skip_body();
  void finish();

  [[nodiscard]] const RequestHead& head() const { return head_; }
  [[nodiscard]] std::string_view body() const { return body_; }
  [[nodiscard]] const BadRequest& error() const { return error_; }

  /// Whether an unfinished request has begun, by at least one byte.
  [[nodiscard]] bool has_begun() const { return part_ != Part::kHead || begin_ != end_; }
  [[nodiscard]] bool is_in_body() const { return part_ == Part::kBody; }
  /// Whether the request being read, or the one that was kBad, is a HEAD, as far as its bytes show: then its answer has
  /// no body, however malformed the rest is.
  [[nodiscard]] bool reads_head_method() const;

 private:
  enum class Part : std::uint8_t { kHead, kDecision, kBody, kWhole, kBadHead, kBadBody };

  [[nodiscard]] std::string_view unread() const { return {buffer_.get() + begin_, end_ - begin_}; }
  /// Copies what is needed of the head, so that the buffer is free for the body.
  void detach_head();
  Step next_in_body();
  Step bad(Part part, const BadRequest& error);

  Part part_ = Part::kHead;
  std::unique_ptr<char[]> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  HeadParser parser_;
  RequestHead head_;
  /// The target of a detached head.
  std::string path_;
  std::string query_;
  ChunkedBody chunks_{api::kMaxBodyBytes};
  /// A body that did not fit into the buffer.
  std::string collected_;
  std::string_view body_;
  /// The number of bytes in the buffer that belong to the complete request.
  std::size_t request_bytes_ = 0;
  BadRequest error_;
};

}  // namespace flint::http
