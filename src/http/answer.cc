#include "http/answer.h"

#include "http/response_head.h"

namespace flint::http {
namespace {

constexpr int kUnavailable = 503;

}  // namespace

/// A long answer has no length: its pages are read while it is sent. HTTP/1.1 clients get chunks, whose end shows that
/// nothing is missing; for HTTP/1.0 the end of the connection is the end of the answer.
void append_answer(std::string& out, const api::Response& response, const Asked& asked, const Surroundings& around,
                   bool ask_for_token) {
  const bool in_chunks = response.more && asked.takes_chunks();
  ResponseHead head;
  head.status = response.status;
  head.content_length = response.body.size();
  if (response.more) head.body = in_chunks ? ResponseHead::Body::kChunked : ResponseHead::Body::kUntilClose;
  head.content_type = response.by_gate ? std::string_view() : response.content_type;
  head.fields = response.fields;
  head.close = asked.closes;
  head.keep_alive = asked.http_1_0 && !asked.closes;
  head.retry_after = response.status == kUnavailable && !response.by_gate;
  head.ask_for_token = ask_for_token;
  head.keep_browsers_out = around.keep_browsers_out;
  head.date = around.date;
  append_head(out, head);
  // The answer to a HEAD has the fields of the answer to a GET, and no body.
  if (asked.is_head_method) return;
  if (in_chunks) {
    append_chunk(out, response.body);
  } else {
    out += response.body;
  }
}

void append_piece(std::string& out, std::string_view piece, bool is_last, const Asked& asked) {
  if (!asked.takes_chunks()) {
    out += piece;
    return;
  }
  append_chunk(out, piece);
  if (is_last) append_last_chunk(out);
}

}  // namespace flint::http
