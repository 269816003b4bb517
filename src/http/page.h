#pragma once

#include <string_view>

#include "api/exchange.h"
#include "api/service.h"

namespace flint::http {

/// The page at `/` that shows what the limiter does, and its parts: the files of web/, which are in the program. They
/// are the same for everybody and tell nothing, so they need no token; what the page shows it asks the API for, with
/// the token that its user gives it. Threads: any.
class Page {
 public:
  [[nodiscard]] static bool has(std::string_view path) noexcept;

  // For paths that it has.

  [[nodiscard]] static api::Service::Route route(api::Method method);
  [[nodiscard]] static api::Response handle(const api::Request& request);
};

}  // namespace flint::http
