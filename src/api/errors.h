#pragma once

#include <string_view>

#include "api/exchange.h"
#include "flint/status.h"

namespace flint::api {

/// `{"error":"<sentence>","code":"<snake_case>"}` with the HTTP status that belongs to the code: the one table.
[[nodiscard]] Response failure_response(const Status& status);
[[nodiscard]] Response error_response(int http_status, std::string_view code, std::string_view message);

}  // namespace flint::api
