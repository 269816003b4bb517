#pragma once

#include <string_view>

#include "api/exchange.h"
#include "base/json_writer.h"
#include "flint/status.h"

namespace flint::api {

/// `{"error":"<sentence>","code":"<snake_case>"}` with the HTTP status that belongs to the code: the one table.
[[nodiscard]] Response failure_response(const Status& status);
/// The same JSON, as a part of an answer.
void write_failure(base::JsonWriter& json, const Status& status);
/// Of a check whose sender may not choose its limit: 403.
[[nodiscard]] Response limit_refused();
[[nodiscard]] Response error_response(int http_status, std::string_view code, std::string_view message);

}  // namespace flint::api
