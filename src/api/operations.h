#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/exchange.h"
#include "api/json_document.h"
#include "api/tokens.h"
#include "api/url.h"
#include "backend/operation.h"

/// The operations of the API, a row each: HTTP's paths and the command's requests are made from the rows, and tests
/// compare them with docs/openapi.yaml.
namespace flint::api {

struct Argument {
  std::string_view name;
  enum class In : std::uint8_t { kBody, kQuery, kPath };
  In in = In::kBody;
  bool is_required = false;
};

/// What an operation needs of a data directory, and so what may fail although nothing is wrong with the request.
enum class Needs : std::uint8_t {
  kMemory,
  /// Reads files: 500.
  kFiles,
  /// Writes files: 500, and 507 on a full disk.
  kRoom,
};

/// What an operation is about, and what may be unknown.
enum class Target : std::uint8_t {
  kNone,
  /// A key with a limit.
  kLimit,
  kReservation,
};

/// A request on its way to the function that reads it. What is read of it may refer to it, until it is submitted.
struct Reading {
  const Request& request;
  /// Null if the request has none.
  const JsonDocument* body = nullptr;
  Query query;
  /// The key or the id at the end of the path, decoded; empty where the path has none.
  std::string key;
  std::vector<CheckItem> items;
  std::vector<Result<BatchCheck>> checks;
  /// The limits that checks carry.
  std::vector<Limit> limits;
  std::vector<ActualCost> costs = {};
  std::vector<NamedLimit> named_limits = {};
  /// What the request asks of the backend.
  backend::Operation asked;
};

struct OperationRow {
  /// The operationId of docs/openapi.yaml.
  std::string_view name;
  /// Ends with `{key}` where a key follows, and with `{id}` where the id of a reservation does.
  std::string_view path;
  Method method;
  Roles roles;
  Effect effect;
  Needs needs;
  /// What is 404 if it is not there.
  Target target;
  std::span<const Argument> arguments;
  /// The schema of the answer in docs/openapi.yaml, with `[]` for an array.
  std::string_view answer;
  /// Sets what the request asks of the backend, or says what is wrong with it. The body is JSON, and a query or a body
  /// where the row has no argument for them is refused already. Null: it asks nothing, and `write` has the answer.
  Status (*read)(Reading& reading);
  /// Appends the JSON of a success, where it is not that of the backend's answer by its type.
  void (*write)(std::string& json) = nullptr;
  /// Changes limits, which may be those of a limits file: 409.
  bool changes_limits = false;
  std::size_t most_body_bytes = kMaxBodyBytes;
  std::size_t most_json_values = kMaxJsonValues;
  /// Does what `read` does, from the bytes of the body, if they are plain enough; else false. Null: they never are.
  bool (*read_plain)(Reading& reading) = nullptr;

  [[nodiscard]] constexpr bool takes_key() const { return path.ends_with("{key}"); }
  [[nodiscard]] constexpr bool takes_id() const { return path.ends_with("{id}"); }
  [[nodiscard]] constexpr bool takes_body() const { return takes(Argument::In::kBody); }
  /// Whether a request can have an id, and so be refused because another one has it: 409.
  [[nodiscard]] constexpr bool takes_request_id() const {
    for (const Argument& argument : arguments) {
      if (argument.name == "request_id") return true;
    }
    return false;
  }
  [[nodiscard]] constexpr bool takes_query() const { return takes(Argument::In::kQuery); }
  /// The path up to the key or the id.
  [[nodiscard]] constexpr std::string_view fixed_path() const { return path.substr(0, path.find('{')); }
  /// Whether `request_path` is one of this operation's.
  [[nodiscard]] bool matches(std::string_view request_path) const;

 private:
  [[nodiscard]] constexpr bool takes(Argument::In in) const {
    for (const Argument& argument : arguments) {
      if (argument.in == in) return true;
    }
    return false;
  }
};

/// A new operation is a row here and a function; what it asks for stands in backend/operation.h.
[[nodiscard]] std::span<const OperationRow> operations() noexcept;
/// The row with this name, which must be there.
[[nodiscard]] const OperationRow& operation(std::string_view name) noexcept;

}  // namespace flint::api
