#include "http/request_head.h"

#include <charconv>
#include <cstring>

#include "http/authority.h"
#include "http/chars.h"

namespace flint::http {
namespace {

using State = HeadParser::State;

constexpr std::size_t kLineEndBytes = 2;

struct MethodName {
  std::string_view name;
  api::Method method;
};
// HEAD asks for what GET would answer, without its body.
constexpr MethodName kMethods[] = {
    {"POST", api::Method::kPost},     {"GET", api::Method::kGet},       {"HEAD", api::Method::kGet},
    {"PUT", api::Method::kOther},     {"DELETE", api::Method::kDelete}, {"PATCH", api::Method::kOther},
    {"OPTIONS", api::Method::kOther}, {"TRACE", api::Method::kOther},   {"CONNECT", api::Method::kOther}};

bool is_version(std::string_view text) noexcept {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return text.size() == 8 && text.starts_with("HTTP/") && digit(text[5]) && text[6] == '.' && digit(text[7]);
}

}  // namespace

std::optional<Field> parse_field_line(std::string_view line) noexcept {
  // The name is a token, and ends where something else begins.
  std::size_t colon = 0;
  while (colon < line.size() && is_token_char(line[colon])) ++colon;
  if (colon == 0 || colon == line.size() || line[colon] != ':') return std::nullopt;
  const Field field{line.substr(0, colon), trimmed(line.substr(colon + 1))};
  if (!is_field_value(field.value)) return std::nullopt;
  return field;
}

/// Reads line by line and looks at each byte once, however the head arrives: scanned_ says how far there is no line
/// feed, so that a client that sends one byte at a time costs a constant amount for each. A line is judged when it is
/// complete, and the limits before that, because a line that never ends must not be waited for.
State HeadParser::parse(std::string_view bytes) {
  for (;;) {
    const void* found = std::memchr(bytes.data() + scanned_, '\n', bytes.size() - scanned_);
    const std::size_t line_feed =
        found == nullptr ? bytes.size() : static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
    // Before the line is looked at: a line that is too long is refused the same way wherever it ends.
    if (!has_request_line_ && line_feed - line_begin_ >= kMaxRequestLineBytes) {
      return bad(414, "uri_too_long", "The request line is longer than 8 KiB.");
    }
    if (line_feed >= kMaxHeadBytes) return bad(431, "head_too_large", "The request head is larger than 16 KiB.");
    if (found == nullptr) {
      scanned_ = bytes.size();
      return State::kNeedsMore;
    }
    if (line_feed == line_begin_ || bytes[line_feed - 1] != '\r')
      return bad("A line of the request head does not end with CR LF.");
    const std::string_view line = bytes.substr(line_begin_, line_feed - 1 - line_begin_);
    scanned_ = line_begin_ = line_feed + 1;

    if (!has_request_line_) {
      if (line.empty() && !skipped_empty_line_) {
        // Some clients send an extra line end after a body (RFC 9112, section 2.2).
        skipped_empty_line_ = true;
        continue;
      }
      if (parse_request_line(line) == State::kBad) return State::kBad;
      has_request_line_ = true;
      fields_begin_ = line_begin_;
    } else if (line.empty()) {
      head_.fields = bytes.substr(fields_begin_, line_begin_ - fields_begin_ - kLineEndBytes);
      return finish();
    } else if (parse_field(line) == State::kBad) {
      return State::kBad;
    }
  }
}

State HeadParser::parse_request_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t second = first == std::string_view::npos ? std::string_view::npos : line.find(' ', first + 1);
  if (second == std::string_view::npos) return bad("The request line is not METHOD TARGET VERSION.");
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, second - first - 1);
  const std::string_view version = line.substr(second + 1);

  if (!is_token(method)) return bad("The method is not a token.");
  if (!is_target(target)) return bad("The request target contains a character that is not allowed.");
  if (!is_version(version)) return bad("The HTTP version is malformed.");
  head_.http_1_0 = version == "HTTP/1.0";
  if (version != "HTTP/1.1" && !head_.http_1_0) {
    return bad(505, "version_not_supported", "The server supports only HTTP/1.1 and HTTP/1.0.");
  }
  for (const MethodName& known : kMethods) {
    if (method != known.name) continue;
    head_.implemented = true;
    head_.method = known.method;
    head_.is_head_method = method == "HEAD";
    head_.is_never_served = method == "TRACE" || method == "CONNECT";
    break;
  }
  return parse_target(method, target);
}

State HeadParser::parse_target(std::string_view method, std::string_view target) {
  constexpr std::string_view kScheme = "http://";
  if (method == "CONNECT") {
    head_.path = target;
    return State::kNeedsMore;
  }
  if (target == "*" && method == "OPTIONS") {
    head_.path = target;
    return State::kNeedsMore;
  }
  if (target.size() > kScheme.size() && equals_ignoring_case(target.substr(0, kScheme.size()), kScheme)) {
    target.remove_prefix(kScheme.size());
    const std::size_t authority_end = std::min(target.find_first_of("/?"), target.size());
    target_authority_ = target.substr(0, authority_end);
    target.remove_prefix(authority_end);
    if (!is_authority(*target_authority_)) return bad("The target's host is malformed.");
    if (!target.starts_with('/')) return bad("The target has no path.");
  }
  if (!target.starts_with('/')) return bad("The target is neither a path nor an http URL.");
  const std::size_t question = target.find('?');
  head_.path = target.substr(0, question);
  if (question != std::string_view::npos) head_.query = target.substr(question + 1);
  return State::kNeedsMore;
}

State HeadParser::parse_field(std::string_view line) {
  if (++fields_ > kMaxFields) return bad(431, "head_too_large", "The request has more than 64 header fields.");
  const std::optional<Field> field = parse_field_line(line);
  if (!field) return bad("A header field is malformed.");
  return note_field(field->name, field->value);
}

State HeadParser::note_field(std::string_view name, std::string_view value) {
  const auto is = [name](std::string_view lower) { return equals_ignoring_case(name, lower); };
  switch (name.size()) {
    case 4:
      if (!is("host")) break;
      if (!is_authority(value)) return bad("Host is malformed.");
      return note_once(head_.host, value, "Host appears more than once.");
    case 6:
      if (is("expect"))
        (equals_ignoring_case(value, "100-continue") ? head_.expects_continue : head_.expects_other) = true;
      if (is("origin")) return note_once(head_.origin, value, "Origin appears more than once.");
      break;
    case 10:
      if (is("connection")) note_connection(value);
      break;
    case 12:
      if (is("content-type")) return note_once(head_.content_type, value, "Content-Type appears more than once.");
      break;
    case 13:
      if (is("authorization")) return note_once(head_.authorization, value, "Authorization appears more than once.");
      break;
    case 14:
      if (is("content-length")) return note_content_length(value);
      // `none` is a person who typed the address; what is new to us is not trusted.
      if (is("sec-fetch-site")) head_.from_other_site |= value != "same-origin" && value != "none";
      break;
    case 16:
      if (is("content-encoding") && !equals_ignoring_case(value, "identity")) head_.has_content_encoding = true;
      break;
    case 17:
      if (is("transfer-encoding")) return note_transfer_encoding(value);
      break;
    default:
      break;
  }
  return State::kNeedsMore;
}

State HeadParser::note_once(std::optional<std::string_view>& field, std::string_view value, std::string_view message) {
  if (field) return bad(message);
  field = value;
  return State::kNeedsMore;
}

/// A second Content-Length is refused even if it has the same value, and so is a list of values: a proxy might take the
/// other one, and the two would disagree on where the next request begins (request smuggling).
State HeadParser::note_content_length(std::string_view value) {
  if (has_length_) return bad("Content-Length appears more than once.");
  has_length_ = true;
  // Unsigned from_chars takes no sign, so what is left to refuse is what is behind the digits, and too many of them.
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), head_.content_length);
  if (error != std::errc() || end != value.data() + value.size()) return bad("Content-Length is not a number.");
  head_.framing = RequestHead::Framing::kLength;
  return State::kNeedsMore;
}

/// Only `chunked`, alone. Other codings would be a body that is not JSON, and a list that a proxy reads in another way
/// would let it see another end of the body.
State HeadParser::note_transfer_encoding(std::string_view value) {
  if (has_transfer_encoding_) return bad("Transfer-Encoding appears more than once.");
  has_transfer_encoding_ = true;
  std::size_t codings = 0;
  bool chunked = false;
  for (std::string_view list = value; codings == 0 || !list.empty();) {
    if (chunked) return bad("chunked must be the last transfer coding.");
    const std::string_view coding = next_element(list);
    if (coding.empty() || value.ends_with(',')) return bad("Transfer-Encoding names an empty coding.");
    chunked = equals_ignoring_case(coding, "chunked");
    ++codings;
  }
  if (!chunked || codings > 1) {
    return bad(501, "coding_not_supported", "The only transfer coding that the server supports is chunked.");
  }
  head_.framing = RequestHead::Framing::kChunked;
  return State::kNeedsMore;
}

void HeadParser::note_connection(std::string_view value) {
  while (!value.empty()) {
    const std::string_view option = next_element(value);
    connection_close_ |= equals_ignoring_case(option, "close");
    connection_keep_alive_ |= equals_ignoring_case(option, "keep-alive");
  }
}

/// The checks that need the complete head, because fields come in any order. A request with both a length and a coding
/// is refused, although RFC 9112 lets a server choose: a proxy may have chosen otherwise.
State HeadParser::finish() {
  if (!head_.host && !head_.http_1_0) return bad("Host is missing.");
  if (target_authority_ && head_.host && !same_authority(*target_authority_, *head_.host)) {
    return bad("Host differs from the host in the target.");
  }
  if (has_transfer_encoding_ && head_.http_1_0) return bad("HTTP/1.0 has no Transfer-Encoding.");
  if (has_transfer_encoding_ && has_length_) return bad("The request has both Content-Length and Transfer-Encoding.");
  head_.keep_alive = !connection_close_ && (!head_.http_1_0 || connection_keep_alive_);
  if (head_.http_1_0) head_.expects_continue = head_.expects_other = false;
  return State::kDone;
}

State HeadParser::bad(int status, std::string_view code, std::string_view message) {
  error_ = BadRequest{status, code, message};
  return State::kBad;
}

}  // namespace flint::http
