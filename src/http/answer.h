#pragma once

#include <string>
#include <string_view>

#include "api/exchange.h"
#include "http/request_head.h"

/// Writes answers of the API as HTTP.
namespace flint::http {

/// The properties of a request that its answer depends on. The request itself may be gone by then.
struct Asked {
  bool is_head_method = false;
  bool http_1_0 = false;
  /// It is the last answer of the connection.
  bool closes = false;

  /// An HTTP/1.0 client knows no chunks: a long answer to it ends with the connection.
  [[nodiscard]] bool takes_chunks() const { return !http_1_0; }
};

/// What an answer contains that depends on neither its request nor its content.
struct Surroundings {
  /// An HTTP date.
  std::string_view date;
  /// See AccessRules.
  bool keep_browsers_out = false;
};

/// Appends an answer; of a long one, the head and the first piece.
void append_answer(std::string& out, const api::Response& response, const Asked& asked, const Surroundings& around,
                   bool ask_for_token = false);
/// Appends the next piece of a long answer. Not used after a HEAD, whose answer has no body.
void append_piece(std::string& out, std::string_view piece, bool is_last, const Asked& asked);

}  // namespace flint::http
