#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "backend/operation.h"
#include "flint/status.h"

/// What comes in and goes out at the API, whoever carries it.
namespace flint::api {

enum class Method : std::uint8_t {
  /// HEAD too: the server leaves out the body of its answer.
  kGet,
  kPost,
  kDelete,
  /// A method of HTTP that no endpoint has (PUT, TRACE, ...): every path that exists answers 405.
  kOther,
};

/// A body of most operations has at most so many bytes.
inline constexpr std::size_t kMaxBodyBytes = 256 * 1024;
/// A batch of checks.
inline constexpr std::size_t kMaxBatchBodyBytes = 1024 * 1024;
/// A list of limits.
inline constexpr std::size_t kMaxLimitsBodyBytes = 2 * 1024 * 1024;

using backend::appends;
using backend::blocks;
using backend::Effect;

struct Request {
  Method method = Method::kGet;
  /// As sent: percent-encoded, from '/' up to '?' or the end.
  std::string_view path;
  /// Behind '?', without it; percent-encoded.
  std::string_view query;
  /// JSON; the caller has checked the content type.
  std::string_view body;
};

struct Response {
  /// An HTTP status: 200, 400, 404, 405, 503, 507, ...
  int status = 200;
  /// A gate's decision: it has no body, and the gate's author has chosen its status, which says nothing of the server.
  bool by_gate = false;
  /// Whole, unless `more` is set.
  std::string body;
  /// Static storage.
  std::string_view content_type = "application/json";
  /// Header fields of the answer, each with its line end. For 405, `Allow` with the methods that the path takes.
  std::string fields;
  /// Takes a piece of a long answer, and whether there are more; after a failure the answer cannot be completed.
  using TakePiece = std::function<void(const Result<bool>& more, std::string piece)>;
  /// For a long answer, of which `body` is the first piece: asks for the next one, and has it taken once, in the call
  /// or later on any thread. May wait, like Service::run. Empty when `body` is all. Usable as long as the backend.
  std::function<void(const TakePiece& take)> more;

  /// Makes it an empty answer of 200 again, and keeps the memory that a usual answer needs.
  void clear() {
    constexpr std::size_t kKeptBytes = 16 * 1024;
    status = 200;
    by_gate = false;
    body.clear();
    if (body.capacity() > kKeptBytes) body.shrink_to_fit();
    content_type = "application/json";
    fields.clear();
    more = nullptr;
  }
};

}  // namespace flint::api
