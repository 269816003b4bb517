#include "testing/test_client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cstring>

#include "http/chars.h"

namespace flint::testing {

std::string RawResponse::field(const std::string& name) const {
  const auto found = fields.find(name);
  return found == fields.end() ? "" : found->second;
}

TestClient::TestClient(base::UniqueFd socket) : socket_(std::move(socket)) {
  const timeval minute{.tv_sec = 60, .tv_usec = 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof(minute));
  setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &minute, sizeof(minute));
}

TestClient TestClient::connect_tcp(std::uint16_t port) {
  base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) socket.reset();
  return TestClient(std::move(socket));
}

TestClient TestClient::connect_unix(const std::string& path) {
  base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) socket.reset();
  return TestClient(std::move(socket));
}

bool TestClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void TestClient::finish_sending() { ::shutdown(socket_.get(), SHUT_WR); }

void TestClient::shrink_receive_buffer(int bytes) {
  setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

void TestClient::reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  socket_ = base::UniqueFd();
}

void TestClient::set_no_delay() {
  const int yes = 1;
  setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
}

bool TestClient::fill() {
  char bytes[4096];
  const ssize_t count = ::recv(socket_.get(), bytes, sizeof(bytes), 0);
  if (count <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(count));
  return true;
}

std::optional<std::string> TestClient::take_line() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n")) == std::string::npos) {
    if (!fill()) return std::nullopt;
  }
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return line;
}

std::optional<std::string> TestClient::take(std::size_t size) {
  while (buffer_.size() < size) {
    if (!fill()) return std::nullopt;
  }
  std::string bytes = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return bytes;
}

bool TestClient::take_chunks(std::string& body) {
  for (;;) {
    const std::optional<std::string> size_line = take_line();
    if (!size_line) return false;
    const std::size_t size = std::stoul(*size_line, nullptr, 16);
    const std::optional<std::string> chunk = take(size);
    const std::optional<std::string> end = take_line();
    if (!chunk || end != "") return false;
    body += *chunk;
    if (size == 0) return true;
  }
}

std::optional<RawResponse> TestClient::receive(bool head_only) {
  RawResponse response;
  const std::optional<std::string> status_line = take_line();
  if (!status_line || !status_line->starts_with("HTTP/1.1 ")) return std::nullopt;
  response.status = std::stoi(status_line->substr(9));
  for (;;) {
    const std::optional<std::string> line = take_line();
    if (!line) return std::nullopt;
    if (line->empty()) break;
    const std::size_t colon = line->find(": ");
    if (colon == std::string::npos) return std::nullopt;
    std::string name = line->substr(0, colon);
    for (char& c : name) c = http::to_lower(c);
    if (!response.fields.emplace(name, line->substr(colon + 2)).second) return std::nullopt;
  }
  if (head_only || response.status == 100 || response.status == 204) return response;
  if (response.field("transfer-encoding") == "chunked") {
    return take_chunks(response.body) ? std::optional(response) : std::nullopt;
  }
  if (response.field("content-length").empty()) {
    response.body = receive_all();
    return response;
  }
  std::optional<std::string> body = take(std::stoul(response.field("content-length")));
  if (!body) return std::nullopt;
  response.body = *std::move(body);
  return response;
}

std::optional<std::string> TestClient::receive_until(std::string_view text) {
  std::size_t found = 0;
  while ((found = buffer_.find(text)) == std::string::npos) {
    if (!fill()) return std::nullopt;
  }
  return take(found + text.size());
}

bool TestClient::at_end() {
  if (!buffer_.empty()) return false;
  char byte;
  return ::recv(socket_.get(), &byte, 1, MSG_PEEK) == 0;
}

std::string TestClient::receive_all() {
  while (fill()) {
  }
  return std::exchange(buffer_, {});
}

}  // namespace flint::testing
