#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/text.h"

namespace flint::cli {
namespace {

Status one_of(std::string_view option, std::string_view allowed, std::string_view given) {
  return {Code::kInvalidArgument,
          std::string(option) + " must be " + std::string(allowed) + ", not " + quote_given(given) + "."};
}

/// Puts the whole number of an option, when it is given, where it belongs.
template <typename T>
Status read_integer(const Invocation& invocation, std::string_view option, std::type_identity_t<T> least,
                    std::type_identity_t<T> most, T& to) {
  const auto text = invocation.option(option);
  if (!text) return {};
  Result<std::uint64_t> value = parse_integer(option, *text);
  if (!value.ok()) return value.status();
  if (std::cmp_less(*value, least) || std::cmp_greater(*value, most)) {
    return {Code::kInvalidArgument, std::string(option) + " must be from " + std::to_string(least) + " to " +
                                        std::to_string(most) + ", not " + std::to_string(*value) + "."};
  }
  to = static_cast<T>(*value);
  return {};
}

Status read_sync(const Invocation& invocation, SyncMode& to) {
  const std::string_view name = invocation.option("--sync").value_or("always");
  if (name != "always" && name != "batch") return one_of("--sync", "always or batch", name);
  to = name == "always" ? SyncMode::kAlways : SyncMode::kBatch;
  return {};
}

Status read_log_level(const Invocation& invocation, net::LogLevel& to) {
  using net::LogLevel;
  constexpr std::array<std::pair<std::string_view, LogLevel>, 4> kLevels = {{{"debug", LogLevel::kDebug},
                                                                             {"info", LogLevel::kInfo},
                                                                             {"warning", LogLevel::kWarning},
                                                                             {"error", LogLevel::kError}}};
  const std::string_view name = invocation.option("--log-level").value_or("info");
  const auto* const level =
      std::find_if(kLevels.begin(), kLevels.end(), [&](const auto& known) { return known.first == name; });
  if (level == kLevels.end()) return one_of("--log-level", "debug, info, warning or error", name);
  to = level->second;
  return {};
}

Status read_log_format(const Invocation& invocation, net::LogFormat& to) {
  using net::LogFormat;
  const std::string_view name = invocation.option("--log-format").value_or("auto");
  if (name != "auto" && name != "text" && name != "json") return one_of("--log-format", "auto, text or json", name);
  to = name == "auto" ? LogFormat::kAuto : name == "text" ? LogFormat::kText : LogFormat::kJson;
  return {};
}

Status read_on_full(const Invocation& invocation, OnFull& to) {
  const std::string_view name = invocation.option("--on-full").value_or("deny");
  if (name != "deny" && name != "allow") return one_of("--on-full", "deny or allow", name);
  to = name == "deny" ? OnFull::kDeny : OnFull::kAllow;
  return {};
}

/// If other users can read the token file, its tokens do not keep them out; if they can write it, they choose the
/// tokens. A warning only, so that a server does not refuse to start because of a mode.
void report_token_file(const std::string& file, std::vector<Finding>& findings) {
  constexpr mode_t kOthers = 0066;
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return;
  if (!S_ISREG(status.st_mode) || (status.st_mode & kOthers) == 0) return;
  findings.push_back({.fatal = false,
                      .message = "other users can read or write the token file " + quote(file) +
                                 ". Set its mode to 600, and choose other tokens."});
}

Result<server::ServerOptions> server_options(const Target& target, const Invocation& invocation) {
  server::ServerOptions options;
  options.data_dir = target.data_dir;
  options.tokens = target.tokens;
  options.bind = invocation.option("--bind").value_or(options.bind);
  auto flush_every_ms = options.limiter.flush_every.count();
  auto max_unsynced_ms = options.limiter.max_unsynced.count();
  for (Status status :
       {read_sync(invocation, options.limiter.sync), read_log_level(invocation, options.log_level),
        read_log_format(invocation, options.log_format),
        read_integer(invocation, "--flush-every-ms", 1, kMaxFlushEvery.count(), flush_every_ms),
        read_integer(invocation, "--flush-every-events", 1, kMaxFlushEveryEvents, options.limiter.flush_every_events),
        read_integer(invocation, "--max-unsynced-ms", 1, kMaxMaxUnsynced.count(), max_unsynced_ms),
        read_integer(invocation, "--max-keys", 1, kMaxMaxKeys, options.limiter.max_keys),
        read_on_full(invocation, options.limiter.on_full),
        read_integer(invocation, "--max-blocking", 1, server::kMaxBlocking, options.max_blocking),
        read_integer(invocation, "--threads", 0, server::kMaxThreads, options.threads)}) {
    if (!status.ok()) return status;
  }
  options.limiter.map_log = !invocation.has("--no-map");
  options.limiter.flush_every = std::chrono::milliseconds(flush_every_ms);
  // Unlike other commands, a server does not wait by default: a second server on one directory is a mistake, and the
  // operator should see it immediately.
  if (invocation.option("--lock-timeout")) options.limiter.lock_timeout = target.lock_timeout;
  if (const auto given = invocation.option("--token-file")) {
    const std::string file(*given);
    report_token_file(file, options.limiter.findings);
    options.read_tokens_again = [file](std::vector<Finding>& findings) {
      report_token_file(file, findings);
      return read_tokens_again(file);
    };
  }
  options.limiter.max_unsynced = std::chrono::milliseconds(max_unsynced_ms);
  return options;
}

}  // namespace

Exit server_start(Session& session, const Command& /*command*/, const Invocation& invocation) {
  Result<server::ServerOptions> options = server_options(session.target(), invocation);
  if (!options.ok()) return session.fail(options.status());
  if (invocation.has("--token")) {
    session.warn(
        "A token in an argument is in the process list for a moment and in the shell's history for good. Prefer "
        "--token-file or FLINT_SERVER_TOKEN.");
  }
  const Status status = session.implementations().run_server(*options);
  return status.ok() ? Exit::kDone : session.fail(status);
}

}  // namespace flint::cli
