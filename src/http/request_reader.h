#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "http/chunked_body.h"
#include "http/request_head.h"

namespace flint::http {

/// Turns the bytes of a connection into requests, one after the other. Between head and body it stops, for somebody to
/// decide whether the body is wanted. What it says depends on the bytes alone, never on how they came.
class RequestReader {
 public:
  enum class Step : std::uint8_t {
    /// Read into space(), then filled().
    kNeedsMore,
    /// head() is there: read_body() or skip_body() is next.
    kHead,
    /// The request is whole: path, query and body() are there until finish().
    kRequest,
    /// error() says why. Nothing comes behind it.
    kBad,
  };

  RequestReader();

  /// Free space; never empty after kNeedsMore. Moves what is there, so head() is not to be used across it.
  [[nodiscard]] std::span<char> space();
  void filled(std::size_t count) { end_ += count; }

  /// Where it stands. Asking again without a change in between gives the same answer.
  Step next();
  /// After kHead. A body that is declared longer than kMaxBodyBytes is kBad, like one that turns out to be.
  void read_body();
  /// After kHead of a request that has none: the next request begins behind its head.
  void skip_body();
  void finish();

  [[nodiscard]] const RequestHead& head() const { return head_; }
  [[nodiscard]] std::string_view body() const { return body_; }
  [[nodiscard]] const BadRequest& error() const { return error_; }

  /// At least one byte of a request has come that is not finished.
  [[nodiscard]] bool has_begun() const { return part_ != Part::kHead || begin_ != end_; }
  [[nodiscard]] bool is_in_body() const { return part_ == Part::kBody; }
  /// Whether the request that is being read, or was kBad, is a HEAD, as far as its bytes say: its answer has no body,
  /// however odd the rest of it is.
  [[nodiscard]] bool reads_head_method() const;

 private:
  enum class Part : std::uint8_t { kHead, kDecision, kBody, kWhole, kBadHead, kBadBody };

  [[nodiscard]] std::string_view unread() const { return {buffer_.get() + begin_, end_ - begin_}; }
  /// Keeps what is needed of the head, so that the buffer is free for the body.
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
  ChunkedBody chunks_;
  /// Of a body that was not in the buffer as a whole.
  std::string collected_;
  std::string_view body_;
  /// Bytes of the buffer that the whole request takes up.
  std::size_t request_bytes_ = 0;
  BadRequest error_;
};

}  // namespace flint::http
