#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/exchange.h"
#include "backend/backend.h"
#include "flint/limit.h"

/// Checks for reverse proxies, which decide by the status of an answer alone: what is asked stands in the query, or in
/// the server's configuration.
namespace flint::api {

inline constexpr std::string_view kGatePath = "/v1/gate";
inline constexpr int kLeastDenyStatus = 400;
inline constexpr int kMostDenyStatus = 599;
inline constexpr int kUsualDenyStatus = 429;
inline constexpr unsigned kMaxTrustedHops = 32;
inline constexpr std::size_t kMaxGateNameBytes = 64;

/// What a gate answers with.
struct GateStatuses {
  /// 204, or 200 for a proxy that takes nothing else for a yes.
  int allow = 204;
  int deny = kUsualDenyStatus;

  friend bool operator==(const GateStatuses&, const GateStatuses&) = default;
};

/// The key of a named gate: text with `{client}` and `{header:NAME}` in it.
class GateKey {
 public:
  struct Part {
    enum class Kind : std::uint8_t { kText, kClient, kHeader };
    Kind kind = Kind::kText;
    /// Or the name of the header field, in lower case.
    std::string text;

    friend bool operator==(const Part&, const Part&) = default;
  };

  /// Fails with kInvalidArgument, and a message that begins with `key`.
  static Result<GateKey> parse(std::string_view text);

  /// Nothing if it is no valid key with these values. `value_of` gives that of a part that is no text, or nothing where
  /// the request has no clear one.
  [[nodiscard]] std::optional<std::string> fill(
      const std::function<std::optional<std::string>(const Part&)>& value_of) const;

  friend bool operator==(const GateKey&, const GateKey&) = default;

 private:
  std::vector<Part> parts_;
};

/// One `[[gates]]` of a configuration file.
struct Gate {
  /// 1 to kMaxGateNameBytes letters, digits, `-` and `_`.
  std::string name;
  GateKey key;
  /// The limit that its checks carry.
  std::optional<Limit> limit;
  Units cost = 1;
  GateStatuses statuses;
  /// How many proxies a request comes through, the one that asks included.
  unsigned trusted_hops = 1;

  friend bool operator==(const Gate&, const Gate&) = default;
};

/// What is asked of a gate.
struct GateRequest {
  /// Different ones.
  std::vector<std::string> keys;
  /// A key that a client has chosen may be none that a limit can have: that is a denial.
  bool has_wrong_key = false;
  Units cost = 1;
  std::optional<Limit> limit;
  GateStatuses statuses;

  /// `key` of a client or a proxy.
  void add_key(std::optional<std::string> key);
};

/// By the query of `/v1/gate`: `key`, once or several times, and `cost`, `limit` and `deny_status`. Fails with
/// kInvalidArgument for all but a key, which the author of the proxy's configuration should learn of.
Result<GateRequest> read_gate(std::string_view query);

/// Asks `queue`, unless the response here is the answer. `request` needs to live until this returns.
[[nodiscard]] std::optional<Response> submit_gate(const GateRequest& request, backend::Queue& queue,
                                                  backend::Asker& asker, std::uint64_t number);
/// The response to what was submitted: one of `statuses`, without a body; or an error.
[[nodiscard]] Response gate_response(const backend::Answer& answer, const GateStatuses& statuses);

}  // namespace flint::api
