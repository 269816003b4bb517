#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

/// The two languages that the load generator speaks: HTTP/1.1 to Flint, RESP to Redis.
namespace flint::bench {

enum class Outcome : std::uint8_t { kAllowed, kDenied, kError };

/// One answer at the start of what was received.
struct Answer {
  /// Bytes that it takes; 0 when it is not complete yet.
  std::size_t bytes = 0;
  Outcome outcome = Outcome::kError;
  /// The body, or the text of a bulk string or error: for set-up and for messages. Part of what was parsed.
  std::string_view text;
};

/// What every key is limited to: a token bucket with as much burst as rate.
struct KeyLimit {
  std::uint64_t rate = 0;
  std::uint64_t per_ms = 0;
};

class Protocol {
 public:
  virtual ~Protocol() = default;

  /// Sends one request and returns its whole answer.
  using Exchange = std::function<std::string(const std::string& request)>;
  /// What the server must know before it is asked to check; ends the program when it refuses.
  virtual void prepare(const Exchange& exchange, std::size_t keys, const KeyLimit& limit) = 0;
  /// The bytes that check one unit of the key of that number. Called once a key, after prepare().
  [[nodiscard]] virtual std::string check_request(std::size_t key) const = 0;
  [[nodiscard]] virtual Answer parse(std::string_view received) const = 0;
};

/// POST /v1/check; or, for `batch` above 1, /v1/check-batch with so many keys, from the one of the request on.
[[nodiscard]] std::unique_ptr<Protocol> flint_http(std::string host, std::size_t batch);
/// GET /v1/gate.
[[nodiscard]] std::unique_ptr<Protocol> flint_gate(std::string host);
/// EVALSHA of the script in `script_path`.
[[nodiscard]] std::unique_ptr<Protocol> redis_resp(std::string script_path);

/// Prints a sentence to stderr and ends the program with exit code 1.
[[noreturn]] void fail(const std::string& sentence);

}  // namespace flint::bench
