#pragma once

#include <string>
#include <string_view>

#include "api/exchange.h"
#include "http/request_head.h"

/// An answer of the API as HTTP.
namespace flint::http {

/// What an answer has to know of its request, which may be gone when it is written.
struct Asked {
  bool is_head_method = false;
  bool http_1_0 = false;
  /// It is the last answer of its connection.
  bool closes = false;

  /// A client of HTTP/1.0 knows no chunks: for it a long answer ends with the connection.
  [[nodiscard]] bool takes_chunks() const { return !http_1_0; }
};

/// What an answer says that is neither its request's nor its own.
struct Surroundings {
  /// An HTTP date.
  std::string_view date;
  /// See AccessRules.
  bool keep_browsers_out = false;
};

/// Of a long answer, the first piece.
void append_answer(std::string& out, const api::Response& response, const Asked& asked, const Surroundings& around,
                   bool ask_for_token = false);
/// What a long answer goes on with; not after the answer to a HEAD, which has no body.
void append_piece(std::string& out, std::string_view piece, bool is_last, const Asked& asked);

}  // namespace flint::http
