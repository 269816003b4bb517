#include "http/response_head.h"

#include <array>
#include <charconv>
#include <ctime>

#include "base/assert.h"

namespace flint::http {
namespace {

constexpr int kOk = 200;
constexpr int kNoContent = 204;
constexpr std::string_view kLineEnd = "\r\n";
/// Behind the line of the type.
constexpr std::string_view kAlways = "\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nDate: ";

/// Empty for one that only a gate answers with.
std::string_view status_line(int status) noexcept {
  switch (status) {
    case 200:
      return "HTTP/1.1 200 OK\r\n";
    case 204:
      return "HTTP/1.1 204 No Content\r\n";
    case 400:
      return "HTTP/1.1 400 Bad Request\r\n";
    case 401:
      return "HTTP/1.1 401 Unauthorized\r\n";
    case 403:
      return "HTTP/1.1 403 Forbidden\r\n";
    case 404:
      return "HTTP/1.1 404 Not Found\r\n";
    case 405:
      return "HTTP/1.1 405 Method Not Allowed\r\n";
    case 408:
      return "HTTP/1.1 408 Request Timeout\r\n";
    case 409:
      return "HTTP/1.1 409 Conflict\r\n";
    case 411:
      return "HTTP/1.1 411 Length Required\r\n";
    case 413:
      return "HTTP/1.1 413 Content Too Large\r\n";
    case 414:
      return "HTTP/1.1 414 URI Too Long\r\n";
    case 415:
      return "HTTP/1.1 415 Unsupported Media Type\r\n";
    case 417:
      return "HTTP/1.1 417 Expectation Failed\r\n";
    case 421:
      return "HTTP/1.1 421 Misdirected Request\r\n";
    case 429:
      return "HTTP/1.1 429 Too Many Requests\r\n";
    case 431:
      return "HTTP/1.1 431 Request Header Fields Too Large\r\n";
    case 500:
      return "HTTP/1.1 500 Internal Server Error\r\n";
    case 501:
      return "HTTP/1.1 501 Not Implemented\r\n";
    case 503:
      return "HTTP/1.1 503 Service Unavailable\r\n";
    case 505:
      return "HTTP/1.1 505 HTTP Version Not Supported\r\n";
    case 507:
      return "HTTP/1.1 507 Insufficient Storage\r\n";
    default:
      return "";
  }
}

/// The line of a status that the author of a gate has chosen.
void append_denied_line(std::string& out, int status) {
  FLINT_ASSERT(status >= 400 && status <= 599);
  out += "HTTP/1.1 " + std::to_string(status) + " Denied\r\n";
}

void append_hexadecimal(std::string& out, std::size_t number) {
  std::array<char, 24> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16);
  out.append(digits.data(), end);
}

}  // namespace

/// Nearly every answer differs from the one before it by its length alone, so the pieces, most of which are constants,
/// are put together on the stack and appended at once.
void append_head(std::string& out, const ResponseHead& head) {
  constexpr std::size_t kMostVariable = 128;
  FLINT_ASSERT(head.content_type.size() + head.date.size() <= kMostVariable);
  std::array<char, kMostVariable + 512> pieces;
  char* end = pieces.data();
  const auto put = [&end](std::string_view piece) { end += piece.copy(end, piece.size()); };

  const std::string_view status = status_line(head.status);
  if (status.empty()) {
    append_denied_line(out, head.status);
  } else if (head.status == kOk) {
    put("HTTP/1.1 200 OK\r\n");
  } else {
    put(status);
  }
  if (head.content_type.empty()) {
    put(kAlways.substr(kLineEnd.size()));
  } else {
    put("Content-Type: ");
    put(head.content_type);
    put(kAlways);
  }
  put(head.date);
  put(kLineEnd);
  if (head.keep_browsers_out) put("Cross-Origin-Resource-Policy: same-origin\r\nX-Frame-Options: DENY\r\n");
  if (head.close) put("Connection: close\r\n");
  if (head.keep_alive) put("Connection: keep-alive\r\n");
  if (head.retry_after) put("Retry-After: 1\r\n");
  if (head.ask_for_token) put("WWW-Authenticate: Bearer\r\n");
  if (!head.fields.empty()) {
    out.append(pieces.data(), end).append(head.fields);
    end = pieces.data();
  }
  if (head.status == kNoContent) {
    // It has no length, not even 0.
  } else if (head.body == ResponseHead::Body::kLength) {
    put("Content-Length: ");
    end = std::to_chars(end, pieces.data() + pieces.size(), head.content_length).ptr;
    put(kLineEnd);
  } else if (head.body == ResponseHead::Body::kChunked) {
    put("Transfer-Encoding: chunked\r\n");
  }
  put(kLineEnd);
  out.append(pieces.data(), end);
}

void append_chunk(std::string& out, std::string_view piece) {
  if (piece.empty()) return;
  append_hexadecimal(out, piece.size());
  out += "\r\n";
  out += piece;
  out += "\r\n";
}

void append_last_chunk(std::string& out) { out += "0\r\n\r\n"; }

std::string http_date(std::int64_t unix_seconds) {
  // Not strftime: its names of days and months follow the locale.
  constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const std::time_t time = unix_seconds;
  std::tm utc{};
  gmtime_r(&time, &utc);
  const auto two_digits = [](int value) {
    return std::string{static_cast<char>('0' + value / 10 % 10), static_cast<char>('0' + value % 10)};
  };
  std::string date(kDays.substr(static_cast<std::size_t>(utc.tm_wday) * 3, 3));
  date += ", " + two_digits(utc.tm_mday) + " ";
  date += kMonths.substr(static_cast<std::size_t>(utc.tm_mon) * 3, 3);
  date += " " + std::to_string(utc.tm_year + 1900) + " " + two_digits(utc.tm_hour) + ":" + two_digits(utc.tm_min) +
          ":" + two_digits(utc.tm_sec) + " GMT";
  return date;
}

}  // namespace flint::http
