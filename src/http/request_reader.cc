#include "http/request_reader.h"

#include <cstring>

#include "base/assert.h"

namespace flint::http {
namespace {

/// Two of the largest heads, so that one that starts at the end of the first half still comes in one piece after a
/// move.
constexpr std::size_t kBufferBytes = 2 * kMaxHeadBytes;
/// With less free space than this it is worth moving what is there to the front.
constexpr std::size_t kLeastSpace = 4 * 1024;
/// A connection keeps no more than this for the next body.
constexpr std::size_t kKeptBodyBytes = 16 * 1024;

}  // namespace

RequestReader::RequestReader() : buffer_(std::make_unique_for_overwrite<char[]>(kBufferBytes)) {}

/// The buffer is not a ring, because the parsers need each head in one piece. Bytes are moved to its front only when
/// little space is left; usually all of them have been handled by then, and nothing is moved.
std::span<char> RequestReader::space() {
  if (begin_ == end_) {
    // The parser has nothing of it: it begins anew behind each request.
    begin_ = end_ = 0;
  } else if (kBufferBytes - end_ < kLeastSpace && begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    // The parser refers to the old position, so it reads the head again, at most once per head.
    parser_.reset();
  }
  return {buffer_.get() + end_, kBufferBytes - end_};
}

RequestReader::Step RequestReader::next() {
  switch (part_) {
    case Part::kHead:
      break;
    case Part::kDecision:
      return Step::kHead;
    case Part::kBody:
      return next_in_body();
    case Part::kWhole:
      return Step::kRequest;
    case Part::kBadHead:
    case Part::kBadBody:
      return Step::kBad;
  }
  switch (parser_.parse(unread())) {
    case HeadParser::State::kNeedsMore:
      return Step::kNeedsMore;
    case HeadParser::State::kBad:
      return bad(Part::kBadHead, parser_.error());
    case HeadParser::State::kDone:
      break;
  }
  head_ = parser_.head();
  part_ = Part::kDecision;
  return Step::kHead;
}

/// The usual request has come as a whole: its body is a view into the buffer, and nothing is copied. A body that has
/// not come yet is collected in a string of its own, because the buffer holds heads and is smaller than the largest
/// body; the head's path and query are copied then, since the buffer is used again beneath them.
void RequestReader::read_body(std::size_t most_bytes) {
  FLINT_ASSERT(part_ == Part::kDecision);
  const std::size_t there = end_ - begin_ - parser_.size();
  const bool declared = head_.framing != RequestHead::Framing::kChunked;
  if (declared && head_.content_length <= there) {
    body_ = unread().substr(parser_.size(), static_cast<std::size_t>(head_.content_length));
    request_bytes_ = parser_.size() + body_.size();
    part_ = Part::kWhole;
    return;
  }
  if (declared && head_.content_length > most_bytes) {
    bad(Part::kBadBody, body_too_large(most_bytes));
    return;
  }
  detach_head();
  chunks_ = ChunkedBody(most_bytes);
  if (declared) collected_.reserve(static_cast<std::size_t>(head_.content_length));
  chunks_ = ChunkedBody(most_bytes);
  part_ = Part::kBody;
}

void RequestReader::skip_body() {
  FLINT_ASSERT(part_ == Part::kDecision && !head_.has_body());
  request_bytes_ = parser_.size();
  finish();
}

RequestReader::Step RequestReader::next_in_body() {
  if (head_.framing == RequestHead::Framing::kChunked) {
    std::size_t used = 0;
    const ChunkedBody::State state = chunks_.parse(unread(), collected_, used);
    begin_ += used;
    if (state == ChunkedBody::State::kBad) return bad(Part::kBadBody, chunks_.error());
    if (state == ChunkedBody::State::kNeedsMore) return Step::kNeedsMore;
  } else {
    const std::string_view more =
        unread().substr(0, static_cast<std::size_t>(head_.content_length) - collected_.size());
    collected_ += more;
    begin_ += more.size();
    if (collected_.size() < head_.content_length) return Step::kNeedsMore;
  }
  body_ = collected_;
  part_ = Part::kWhole;
  return Step::kRequest;
}

void RequestReader::finish() {
  begin_ += request_bytes_;
  request_bytes_ = 0;
  parser_.reset();
  body_ = {};
  collected_.clear();
  if (collected_.capacity() > kKeptBodyBytes) collected_.shrink_to_fit();
  part_ = Part::kHead;
}

/// Only the target is copied. Everything else in the head was judged before the body is read, and its views would point
/// to overwritten bytes, so they are cleared.
void RequestReader::detach_head() {
  path_ = head_.path;
  query_ = head_.query;
  head_.path = path_;
  head_.query = query_;
  head_.fields = {};
  head_.host = head_.authorization = head_.content_type = std::nullopt;
  begin_ += parser_.size();
}

/// For the refusal of a request that could not be parsed: the method is taken from the bytes, since there is no head. A
/// client that sent HEAD would take the body of the refusal for the next answer.
bool RequestReader::reads_head_method() const {
  if (part_ != Part::kHead && part_ != Part::kBadHead) return head_.is_head_method;
  constexpr std::string_view kEmptyLine = "\r\n";
  std::string_view request = unread();
  if (request.starts_with(kEmptyLine)) request.remove_prefix(kEmptyLine.size());
  return request.starts_with("HEAD ");
}

RequestReader::Step RequestReader::bad(Part part, const BadRequest& error) {
  error_ = error;
  part_ = part;
  return Step::kBad;
}

}  // namespace flint::http
