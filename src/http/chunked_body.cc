#include "http/chunked_body.h"

#include <algorithm>
#include <charconv>

#include "api/exchange.h"
#include "http/chars.h"

namespace flint::http {
namespace {

/// Takes a token, or a string in quotes, off the front; false when there is none.
bool take_token(std::string_view& text) {
  const std::size_t end = text.find_first_of("\"=; \t");
  const std::string_view token = text.substr(0, end);
  text.remove_prefix(token.size());
  return is_token(token);
}

bool take_quoted(std::string_view& text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      const bool valid = is_field_value(text.substr(0, i));
      text.remove_prefix(i + 1);
      return valid;
    }
    // The next byte is itself, also when it is a quote.
    if (text[i] == '\\') ++i;
  }
  return false;
}

/// `;name`, `;name=token` and `;name="text"`, any number of them: RFC 9112, section 7.1.1, without the blanks that it
/// asks servers to bear with. What an extension says is nothing to this server, but a reader that is lenient here and
/// one that is not see different requests.
bool are_extensions(std::string_view text) {
  while (!text.empty()) {
    if (text.front() != ';') return false;
    text.remove_prefix(1);
    if (!take_token(text)) return false;
    if (!text.starts_with('=')) continue;
    text.remove_prefix(1);
    if (!(text.starts_with('"') ? take_quoted(text) : take_token(text))) return false;
  }
  return true;
}

}  // namespace

BadRequest body_too_large(std::size_t most_bytes) noexcept {
  static_assert(api::kMaxBodyBytes == 256 * 1024 && api::kMaxBatchBodyBytes == 1024 * 1024 &&
                api::kMaxLimitsBodyBytes == 2 * 1024 * 1024);
  if (most_bytes == api::kMaxBodyBytes) return {413, "body_too_large", "The body is larger than 256 KiB."};
  const bool is_batch = most_bytes == api::kMaxBatchBodyBytes;
  return {413, "body_too_large", is_batch ? "The body is larger than 1 MiB." : "The body is larger than 2 MiB."};
}

ChunkedBody::State ChunkedBody::parse(std::string_view bytes, std::string& body, std::size_t& used) {
  const std::size_t given = bytes.size();
  const auto ended = [&](State state) {
    used = given - bytes.size();
    return state;
  };
  while (!bytes.empty()) {
    if (part_ == Part::kData) {
      const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(chunk_left_, bytes.size()));
      body.append(bytes.substr(0, take));
      bytes.remove_prefix(take);
      chunk_left_ -= take;
      if (chunk_left_ == 0) part_ = Part::kDataEnd;
      continue;
    }
    const std::size_t most = part_ == Part::kDataEnd    ? 0
                             : part_ == Part::kSizeLine ? kMaxChunkLineBytes
                                                        : kMaxTrailerBytes;
    const bool complete = read_line(bytes, most);
    if (line_too_long_) return ended(bad("A line of the chunked body is too long."));
    if (!complete) break;
    if (!line_.ends_with('\r')) return ended(bad("A line of the chunked body does not end with CR LF."));
    line_.pop_back();

    bool done = false;
    if (part_ == Part::kSizeLine) {
      if (begin_chunk(body.size()) == State::kBad) return ended(State::kBad);
    } else if (part_ == Part::kDataEnd) {
      part_ = Part::kSizeLine;
    } else if (end_trailer(done) == State::kBad) {
      return ended(State::kBad);
    }
    line_.clear();
    if (done) return ended(State::kDone);
  }
  return ended(State::kNeedsMore);
}

bool ChunkedBody::read_line(std::string_view& bytes, std::size_t most) {
  const std::size_t line_feed = bytes.find('\n');
  const std::size_t take = std::min(line_feed, bytes.size());
  // One more for the CR.
  line_too_long_ = line_.size() + take > most + 1;
  if (line_too_long_) return false;
  line_.append(bytes.substr(0, take));
  bytes.remove_prefix(line_feed == std::string_view::npos ? take : take + 1);
  return line_feed != std::string_view::npos;
}

ChunkedBody::State ChunkedBody::begin_chunk(std::size_t body_bytes) {
  constexpr std::size_t kMaxDigits = 16;
  const std::size_t digits = std::min(line_.find_first_not_of("0123456789abcdefABCDEF"), line_.size());
  const std::string_view extension = std::string_view(line_).substr(digits);
  if (digits == 0 || digits > kMaxDigits) return bad("The size of a chunk is not hexadecimal.");
  if (!are_extensions(extension)) return bad("An extension of a chunk is malformed.");
  std::from_chars(line_.data(), line_.data() + digits, chunk_left_, 16);
  if (chunk_left_ > most_bytes_ - body_bytes) {
    error_ = body_too_large(most_bytes_);
    return State::kBad;
  }
  part_ = chunk_left_ == 0 ? Part::kTrailers : Part::kData;
  return State::kNeedsMore;
}

ChunkedBody::State ChunkedBody::end_trailer(bool& done) {
  done = line_.empty();
  if (done) return State::kNeedsMore;
  trailer_bytes_ += line_.size() + 2;
  if (trailer_bytes_ > kMaxTrailerBytes) return bad("The trailers are too long.");
  return parse_field_line(line_) ? State::kNeedsMore : bad("A trailer field is malformed.");
}

ChunkedBody::State ChunkedBody::bad(std::string_view message) {
  error_ = BadRequest{400, "bad_request", message};
  return State::kBad;
}

}  // namespace flint::http
