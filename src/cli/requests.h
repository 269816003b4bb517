#pragma once

#include <string>
#include <utility>

#include "cli/caller.h"
#include "cli/json.h"

namespace flint::cli {

[[nodiscard]] inline Call get(std::string path, std::string query = {}) {
  return {.method = api::Method::kGet, .path = std::move(path), .query = std::move(query), .body = {}};
}

/// Without a body.
[[nodiscard]] inline Call post(std::string path) {
  return {.method = api::Method::kPost, .path = std::move(path), .query = {}, .body = {}};
}

[[nodiscard]] inline Call post(std::string path, const json::object& body) {
  Call call = post(std::move(path));
  call.body = json::serialize(body);
  return call;
}

}  // namespace flint::cli
