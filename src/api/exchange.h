#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "flint/status.h"

/// What comes in and goes out at the API, whoever carries it.
namespace flint::api {

enum class Method : std::uint8_t {
  /// HEAD too: the server leaves out the body of its answer.
  kGet,
  kPost,
  /// A method of HTTP that no endpoint has (PUT, TRACE, ...): every path that exists answers 405.
  kOther,
};

/// What a request does, so that a server can bound what waits on storage and keep what is slow away from what should be
/// quick.
enum class Effect : std::uint8_t {
  /// Reads memory.
  kReads,
  /// Decides, and logs what it decided. How long that takes is what an operator wants to know.
  kDecides,
  /// Logs a change of a limit or of its usage.
  kChanges,
  /// Waits for a sync.
  kFlushes,
  /// Reads a page of keys, or the log.
  kScans,
  /// Reads or writes everything.
  kExamines,
};

/// Whether the answer may have to wait until the log is durable, although handling the request waits for nothing.
[[nodiscard]] constexpr bool appends(Effect effect) noexcept {
  return effect == Effect::kDecides || effect == Effect::kChanges;
}
/// Whether handling the request takes long or waits: not for a thread that others wait for.
[[nodiscard]] constexpr bool blocks(Effect effect) noexcept { return effect != Effect::kReads && !appends(effect); }

struct Request {
  Method method = Method::kGet;
  /// As sent: percent-encoded, from '/' up to '?' or the end.
  std::string_view path;
  /// Behind '?', without it; percent-encoded.
  std::string_view query;
  /// JSON; the caller has checked the content type.
  std::string_view body;
  /// Where to write what was changed, for the log of a server: not a sentence, since who did it follows. Null for
  /// nowhere; left as it is when nothing was changed.
  std::string* audit = nullptr;
};

struct Response {
  /// An HTTP status: 200, 400, 404, 405, 503, 507, ...
  int status = 200;
  /// Whole, unless `more` is set.
  std::string body;
  /// Static storage.
  std::string_view content_type = "application/json";
  /// For 405: "GET, HEAD", "POST" or "GET, HEAD, POST". Static storage.
  std::string_view allow;
  /// A long answer in pieces, of which `body` is the first: appends the next one to its argument and says whether there
  /// are more. After a failure the answer cannot be completed. Empty when `body` is all. Usable as long as the Limiter.
  std::function<Result<bool>(std::string&)> more;
};

}  // namespace flint::api
