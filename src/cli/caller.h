#pragma once

#include <string>
#include <string_view>

#include "api/exchange.h"
#include "client/connection.h"
#include "flint/status.h"

namespace flint::cli {

/// One request to the HTTP API, wherever it is answered.
struct Call {
  api::Method method = api::Method::kGet;
  /// Percent-encoded.
  std::string path;
  /// Without '?', percent-encoded.
  std::string query;
  /// JSON.
  std::string body;
};

using client::Answer;

/// What a command may do to the data directory that answers it.
enum class Access : std::uint8_t {
  /// Look only.
  kRead,
  /// Change what is there.
  kChange,
  /// Change, and create the directory if it is not there.
  kCreate,
};

/// Answers requests: the API in this process over an opened directory, or a server. Threads: one.
class Caller {
 public:
  virtual ~Caller() = default;

  /// Whatever was decided is durable when this returns. A Status only when there is no answer at all; what the API
  /// refuses is an Answer.
  virtual Result<Answer> call(const Call& call) = 0;

  /// Who answers, for messages: `http://127.0.0.1:7878`, `the data directory ".flint"`.
  [[nodiscard]] virtual std::string name() const = 0;

  /// Ends the session, once, after the last call: closes a directory that this process opened.
  virtual Status finish() = 0;
};

}  // namespace flint::cli
