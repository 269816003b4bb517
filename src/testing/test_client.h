#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace flint::testing {

/// An answer as it came, taken apart.
struct RawResponse {
  int status = 0;
  /// By name in lower case.
  std::map<std::string, std::string> fields;
  /// Decoded, if it came in chunks.
  std::string body;

  [[nodiscard]] std::string field(const std::string& name) const;
};

/// A client that sends whatever bytes it is told to, and understands what a server may answer. Every wait ends in a
/// failed read after a minute, so that a test fails instead of hanging.
class TestClient {
 public:
  static TestClient connect_tcp(std::uint16_t port);
  static TestClient connect_unix(const std::string& path);

  [[nodiscard]] bool connected() const { return socket_.valid(); }
  /// False when the server does not take it any more.
  bool send(std::string_view bytes);
  void finish_sending();
  /// Nothing when the connection ends before an answer is complete. `head_only` for the answer to HEAD.
  std::optional<RawResponse> receive(bool head_only = false);
  /// Everything up to the end of `text`; nothing when the connection ends before it has come.
  std::optional<std::string> receive_until(std::string_view text);
  /// Whether the server has ended the connection with nothing more to say.
  bool at_end();
  /// Everything until the end.
  std::string receive_all();
  void shrink_receive_buffer(int bytes);
  void set_no_delay();
  /// Closes so that the server sees it at once (RST).
  void reset();

 private:
  explicit TestClient(base::UniqueFd socket);
  bool fill();
  std::optional<std::string> take_line();
  std::optional<std::string> take(std::size_t size);
  bool take_chunks(std::string& body);

  base::UniqueFd socket_;
  std::string buffer_;
};

}  // namespace flint::testing
