#include "api/errors.h"

#include "base/assert.h"

namespace flint::api {
namespace {

using base::JsonWriter;

void write_error(JsonWriter& json, std::string_view code, std::string_view message) {
  json.begin_object();
  json.member<"error">(message);
  json.member<"code">(code);
  json.end_object();
}

/// The one table.
int http_status_of(Code code) noexcept {
  switch (code) {
    case Code::kOk:
      return 200;
    case Code::kInvalidArgument:
      return 400;
    case Code::kLimitNotFound:
    case Code::kReservationNotFound:
      return 404;
    case Code::kRequestIdConflict:
    case Code::kConflict:
      return 409;
    // Nothing that a client sent is at fault, and sending it again to this process does not help either.
    case Code::kNotFound:
    case Code::kPermission:
    case Code::kCorruption:
    case Code::kUnsupportedFormat:
    case Code::kIoError:
      return 500;
    // The next process, or the same one a little later, may well do it.
    case Code::kDataDirLocked:
    case Code::kStorageFailed:
    case Code::kClosed:
    case Code::kUnavailable:
    case Code::kReservationsFull:
      return 503;
    case Code::kDiskFull:
      return 507;
  }
  base::assertion_failed("code is one of Code", __FILE__, __LINE__);
}

}  // namespace

Response error_response(int http_status, std::string_view code, std::string_view message) {
  Response response;
  response.status = http_status;
  JsonWriter json(response.body);
  write_error(json, code, message);
  return response;
}

Response limit_refused() {
  return error_response(403, "role_refused",
                        "The server takes no limit from a token with the role check (--carried-limits off): leave "
                        "limit out, and let an operator set a limit or a pattern for the key.");
}

void write_failure(JsonWriter& json, const Status& status) {
  write_error(json, code_name(status.code()), status.message());
}

Response failure_response(const Status& status) {
  return error_response(http_status_of(status.code()), code_name(status.code()), status.message());
}

}  // namespace flint::api
