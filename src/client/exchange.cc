#include "client/exchange.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <cerrno>
#include <charconv>
#include <climits>
#include <utility>

#include "client/answers.h"

namespace flint::client {
namespace {

/// Longer answers than a decision's are not plain.
constexpr std::size_t kMostAnswer = std::size_t{64} << 10;
constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";

/// 0 once the socket is ready.
int wait(int socket, short events, Deadline deadline, const std::function<bool()>& goes_on) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return ETIMEDOUT;
    pollfd waiting{socket, events, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left, INT_MAX)));
    if (ready > 0) return 0;
    if (ready < 0 && errno != EINTR) return errno;
    if (ready < 0 && !goes_on()) return EINTR;
  }
}

bool would_block(int number) { return number == EAGAIN || number == EWOULDBLOCK; }

bool is_token(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

bool is_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '\t' || (c >= 0x20 && c < 0x7f); });
}

bool same_name(std::string_view one, std::string_view lower) {
  return std::equal(one.begin(), one.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == b; });
}

std::optional<std::size_t> number(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  const std::size_t end = text.find_last_not_of(" \t");
  if (begin == std::string_view::npos) return std::nullopt;
  std::size_t read = 0;
  const auto [stopped, error] = std::from_chars(text.data() + begin, text.data() + end + 1, read);
  if (error != std::errc() || stopped != text.data() + end + 1) return std::nullopt;
  return read;
}

/// Whether what has come is, or may become, an answer with a plain decision. `*whole` becomes its body once all of it
/// is there.
bool may_be_plain(std::string_view received, std::string_view* whole) {
  const std::size_t head_end = received.find(kHeadEnd);
  if (head_end == std::string_view::npos) return received.size() < kMostAnswer;
  const std::optional<std::size_t> length = plain_length(received.substr(0, head_end + kLineEnd.size()));
  const std::size_t body_begin = head_end + kHeadEnd.size();
  if (!length || *length == 0 || *length > kMostAnswer || received.size() > body_begin + *length) return false;
  if (received.size() == body_begin + *length) *whole = received.substr(body_begin);
  return true;
}

}  // namespace

std::optional<std::size_t> plain_length(std::string_view head) {
  constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\n";
  if (!head.starts_with(kOk)) return std::nullopt;
  std::optional<std::size_t> length;
  for (head.remove_prefix(kOk.size()); !head.empty();) {
    const std::size_t line_end = head.find(kLineEnd);
    const std::string_view line = head.substr(0, line_end);
    const std::size_t colon = line.find(':');
    if (line_end == std::string_view::npos || colon == std::string_view::npos) return std::nullopt;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = line.substr(colon + 1);
    if (!is_token(name) || !is_value(value)) return std::nullopt;
    if (same_name(name, "transfer-encoding") || same_name(name, "connection")) return std::nullopt;
    if (same_name(name, "content-length")) {
      if (length) return std::nullopt;
      length = number(value);
      if (!length) return std::nullopt;
    }
    head.remove_prefix(line_end + kLineEnd.size());
  }
  return length;
}

std::optional<Decision> read_decision(std::string_view body, std::string_view key, Units cost) {
  // Of the document nothing is kept, so that its values need no allocation each.
  std::array<unsigned char, 4096> room;
  json::monotonic_resource memory(room.data(), room.size());
  boost::system::error_code error;
  const json::value document = json::parse({body.data(), body.size()}, error, &memory);
  Decision decision;
  if (error || !read(document, &decision) || decision.key != key || decision.cost != cost) return std::nullopt;
  // What contradicts itself, and what names no zone in its sentence, is not plain.
  const std::string_view zone = decision.unknown_timezone();
  if ((decision.allowed && !decision.retry_after_ms) || zone.find(' ') != std::string_view::npos) return std::nullopt;
  return decision;
}

Exchanged exchange(int socket, std::string_view request, std::string_view key, Units cost, Deadline deadline,
                   const std::function<bool()>& goes_on) {
  Exchanged done;
  while (done.sent < request.size()) {
    const ssize_t sent =
        ::send(socket, request.data() + done.sent, request.size() - done.sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      done.sent += static_cast<std::size_t>(sent);
    } else if (would_block(errno)) {
      if ((done.error = wait(socket, POLLOUT, deadline, goes_on)) != 0) return done;
    } else if (errno != EINTR) {
      done.error = errno;
      return done;
    }
  }
  std::array<char, 4096> room;
  while (true) {
    // Not before the wait: the answer takes longer than a call that finds none.
    if ((done.error = wait(socket, POLLIN, deadline, goes_on)) != 0) return done;
    const ssize_t got = ::recv(socket, room.data(), room.size(), MSG_DONTWAIT);
    if (got < 0 && (would_block(errno) || errno == EINTR)) continue;
    if (got < 0) done.error = errno;
    if (got <= 0) return done;
    const std::string_view fresh(room.data(), static_cast<std::size_t>(got));
    std::string_view whole;
    const bool at_once = done.received.empty();
    if (!at_once) done.received += fresh;
    const bool plain = may_be_plain(at_once ? fresh : std::string_view(done.received), &whole);
    if (plain && !whole.empty()) done.decision = read_decision(whole, key, cost);
    if (done.decision) return done;
    if (at_once) done.received = fresh;
    if (!plain || !whole.empty()) return done;
  }
}

bool is_silent(int socket) {
  char byte = 0;
  return ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && would_block(errno);
}

}  // namespace flint::client
