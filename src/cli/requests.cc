#include "cli/requests.h"

#include <algorithm>
#include <string>
#include <utility>

#include "api/json_document.h"
#include "api/operations.h"
#include "api/requests.h"
#include "base/assert.h"
#include "cli/arguments.h"

namespace flint::cli {
namespace {

std::string text_of(const json::value& value) {
  return value.is_string() ? std::string(value.as_string()) : json::serialize(value);
}

}  // namespace

/// The row decides where an argument goes, so that a command cannot disagree with the API about it. Values in a path or
/// a query are text; a number is written as JSON writes it.
Call request(std::string_view operation, const json::object& arguments) {
  const api::OperationRow& row = api::operation(operation);
  Call call{.method = row.method, .path = std::string(row.fixed_path()), .query = {}, .body = {}};
  json::object body;
  for (const auto& given : arguments) {
    const std::string_view name(given.key());
    const auto known = std::find_if(row.arguments.begin(), row.arguments.end(),
                                    [name](const api::Argument& argument) { return argument.name == name; });
    FLINT_ASSERT(known != row.arguments.end());
    if (known->in == api::Argument::In::kBody) {
      body.emplace(given.key(), given.value());
    } else if (known->in == api::Argument::In::kPath) {
      call.path += percent_encode(text_of(given.value()));
    } else {
      if (!call.query.empty()) call.query += '&';
      call.query += std::string(name) + "=" + percent_encode(text_of(given.value()));
    }
  }
  if (row.takes_body()) call.body = json::serialize(body);
  return call;
}

Result<Limit> limit_in(const json::object& arguments) {
  const std::string body = json::serialize(arguments);
  api::JsonDocument document;
  if (Status status = document.parse(body); !status.ok()) return status;
  const Result<api::LimitRequest> request = api::read_limit(document);
  if (!request.ok()) return request.status();
  if (Status status = validate_key(request->key); !status.ok()) return status;
  if (Status status = validate_limit(request->limit); !status.ok()) return status;
  return request->limit;
}

}  // namespace flint::cli
