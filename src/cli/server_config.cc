#include "cli/server_config.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <tuple>
#include <type_traits>
#include <utility>

#include "base/invalid.h"
#include "cli/arguments.h"
#include "cli/text.h"
#include "config/read_file.h"
#include "server/server.h"

namespace flint::cli {
namespace {

using config::FileOption;
using config::Problem;

// Options of every command that mean something to a server.
constexpr std::array kGlobal = std::to_array<OptionSpec>(
    {{"--data-dir", "DIR", ""}, {"--token", "T", ""}, {"--token-file", "FILE", ""}, {"--lock-timeout", "TIME", ""}});

const OptionSpec* find_option(const Command& command, std::string_view name) {
  if (name == "--config") return nullptr;
  const auto is_it = [&](const OptionSpec& option) { return option.name == name; };
  const auto own = std::find_if(command.options.begin(), command.options.end(), is_it);
  if (own != command.options.end()) return &*own;
  const auto* const global = std::find_if(kGlobal.begin(), kGlobal.end(), is_it);
  return global == kGlobal.end() ? nullptr : global;
}

/// Whether an argument or the environment says it, or says the same in another way.
bool is_overridden(std::string_view name, const Invocation& given, const Environment& environment) {
  if (name == "--token" || name == "--token-file") {
    return given.has("--token") || given.has("--token-file") || environment("FLINT_SERVER_TOKEN");
  }
  return given.has(name) || (name == "--data-dir" && environment("FLINT_DATA_DIR"));
}

/// What is wrong with the type of a value, as the rest of a sentence.
std::string_view wrong_kind(const OptionSpec& option, FileOption::Kind kind) {
  using Kind = FileOption::Kind;
  if (option.value.empty()) return kind == Kind::kBoolean ? "" : "must be true or false.";
  if (option.value == "N") return kind == Kind::kInteger ? "" : "must be a whole number.";
  // A bare number of a time is seconds.
  const bool fits = kind == Kind::kText || (option.value == "TIME" && kind == Kind::kInteger);
  return fits ? "" : "must be a string.";
}

class Reading {
 public:
  Reading(const Command& command, const Invocation& given, const Environment& environment, ServerConfig& config)
      : command_(command), given_(given), environment_(environment), config_(config) {}

  void read() {
    config_.merged = given_;
    if (const auto path = given_.option("--config")) read_configuration(std::string(*path));
    if (const auto path = config_.merged.option("--limits")) read_limits(std::string(*path));
  }

 private:
  void read_configuration(const std::string& path) {
    const std::optional<std::string> text = text_of("--config", path);
    if (!text) return;
    config::ConfigFile file = config::parse_config(*text, path);
    config_.problems = std::move(file.problems);
    config_.limits = std::move(file.limits);
    config_.gates = std::move(file.gates);
    for (const FileOption& option : file.options) add_option(option, path);
  }

  void add_option(const FileOption& option, const std::string& path) {
    const std::string name = "--" + option.name;
    const auto wrong = [&](std::string text) { config_.problems.push_back({path, option.line, std::move(text)}); };
    const OptionSpec* known = find_option(command_, name);
    if (known == nullptr) return wrong(quote_given(option.name) + " is not an option of \"flint server start\".");
    if (const std::string_view kind = wrong_kind(*known, option.kind); !kind.empty()) {
      return wrong(option.name + " " + std::string(kind));
    }
    if (is_overridden(name, given_, environment_) || (known->value.empty() && option.value == "false")) return;
    std::string value = known->value.empty() ? "" : option.value;
    // As the file means it, from wherever the server is started.
    if (known->value == "FILE" || known->value == "DIR") {
      value = (std::filesystem::path(path).parent_path() / value).string();
    }
    config_.places.emplace(name, Problem{path, option.line, ""});
    config_.from_file.options.emplace(name, value);
    config_.merged.options.emplace(name, std::move(value));
  }

  void read_limits(const std::string& path) {
    const std::optional<std::string> text = text_of("--limits", path);
    if (!text) return;
    config::ConfigFile all;
    all.limits = std::move(config_.limits).value_or(std::vector<config::FileLimit>());
    config::add_limits(all, config::parse_limits(*text, path));
    config_.limits = std::move(all.limits);
    std::move(all.problems.begin(), all.problems.end(), std::back_inserter(config_.problems));
  }

  /// Nothing, and a problem, if it cannot be read.
  std::optional<std::string> text_of(std::string_view option, const std::string& path) {
    const auto place = config_.places.find(option);
    Problem wrong = place == config_.places.end() ? Problem() : place->second;
    if (path == "-") {
      wrong.text = std::string(option) + " must be a file, which SIGHUP can read again.";
      config_.problems.push_back(std::move(wrong));
      return std::nullopt;
    }
    Result<std::string> text = config::read_file(path);
    if (text.ok()) return std::move(*text);
    wrong.text = text.status().message();
    config_.problems.push_back(std::move(wrong));
    return std::nullopt;
  }

  const Command& command_;
  const Invocation& given_;
  const Environment& environment_;
  ServerConfig& config_;
};

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

Status read_exit_when_idle(const Invocation& invocation, std::optional<std::chrono::milliseconds>& to) {
  const auto text = invocation.option("--exit-when-idle");
  if (!text) return {};
  const Result<Nanos> period = parse_period(*text);
  if (!period.ok() || *period < server::kMinExitWhenIdle || *period > server::kMaxExitWhenIdle) {
    return {Code::kInvalidArgument,
            "--exit-when-idle must be a duration from 100ms to 366d, such as 60s, not " + quote_given(*text) + "."};
  }
  to = std::chrono::duration_cast<std::chrono::milliseconds>(*period);
  return {};
}

Status read_carried_limits(const Invocation& invocation, bool& to) {
  const std::string_view name = invocation.option("--carried-limits").value_or("on");
  if (name != "on" && name != "off") return one_of("--carried-limits", "on or off", name);
  to = name == "on";
  return {};
}

/// At the option's place, where it comes from the file: there it has no dashes.
Problem problem_of(const ServerConfig& config, const Status& wrong) {
  const std::string& message = wrong.message();
  const auto place = config.places.find(message.substr(0, message.find(' ')));
  if (place == config.places.end()) return {{}, 0, message};
  return {place->second.file, place->second.line, message.substr(2)};
}

}  // namespace

ServerConfig read_server_config(const Command& command, const Invocation& given, const Environment& environment) {
  ServerConfig config;
  Reading(command, given, environment, config).read();
  return config;
}

server::ServerOptions server_options(ServerConfig& config, const Target& given) {
  const Invocation& invocation = config.merged;
  server::ServerOptions options;
  options.data_dir = given.data_dir;
  options.tokens = given.tokens;
  options.bind = invocation.option("--bind").value_or(options.bind);
  auto flush_every_ms = options.limiter.flush_every.count();
  auto max_unsynced_ms = options.limiter.max_unsynced.count();
  for (const Status& status :
       {read_sync(invocation, options.limiter.sync), read_log_level(invocation, options.log_level),
        read_log_format(invocation, options.log_format),
        read_integer(invocation, "--flush-every-ms", 1, kMaxFlushEvery.count(), flush_every_ms),
        read_integer(invocation, "--flush-every-events", 1, kMaxFlushEveryEvents, options.limiter.flush_every_events),
        read_integer(invocation, "--max-unsynced-ms", 1, kMaxMaxUnsynced.count(), max_unsynced_ms),
        read_integer(invocation, "--max-keys", 1, kMaxMaxKeys, options.limiter.max_keys),
        read_on_full(invocation, options.limiter.on_full), read_exit_when_idle(invocation, options.exit_when_idle),
        read_carried_limits(invocation, options.carried_limits),
        read_integer(invocation, "--max-blocking", 1, server::kMaxBlocking, options.max_blocking),
        read_integer(invocation, "--metrics-top-denied", 0, server::kMaxTopDenied, options.top_denied),
        read_integer(invocation, "--threads", 0, server::kMaxThreads, options.threads)}) {
    if (!status.ok()) config.problems.push_back(problem_of(config, status));
  }
  options.log_file = invocation.option("--log-file").value_or("");
  options.limiter.map_log = !invocation.has("--no-map");
  options.limiter.flush_every = std::chrono::milliseconds(flush_every_ms);
  options.limiter.max_unsynced = std::chrono::milliseconds(max_unsynced_ms);

  const Environment nothing = [](std::string_view) { return std::optional<std::string>(); };
  const Result<Target> from_file = choose_target(config.from_file, nothing);
  if (!from_file.ok()) {
    config.problems.push_back(problem_of(config, from_file.status()));
    return options;
  }
  if (config.from_file.has("--data-dir")) options.data_dir = from_file->data_dir;
  if (config.from_file.has("--token") || config.from_file.has("--token-file")) options.tokens = from_file->tokens;
  // Unlike other commands, a server does not wait by default: a second server on one directory is a mistake, and the
  // operator should see it immediately.
  if (config.from_file.has("--lock-timeout")) {
    options.limiter.lock_timeout = from_file->lock_timeout;
  } else if (invocation.has("--lock-timeout")) {
    options.limiter.lock_timeout = given.lock_timeout;
  }
  if (Status bind = server::validate_bind(options.bind); !bind.ok() && config.places.contains("--bind")) {
    const Problem& place = config.places.at("--bind");
    config.problems.push_back({place.file, place.line, bind.message()});
  }
  options.limits = config.limits;
  options.gates = config.gates;
  return options;
}

std::vector<std::string> lines_of(const std::vector<Problem>& problems) {
  std::vector<Problem> sorted = problems;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.file, a.line) < std::tie(b.file, b.line);
  });
  std::vector<std::string> lines;
  for (const Problem& problem : sorted) lines.push_back(config::describe(problem));
  return lines;
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

}  // namespace flint::cli
