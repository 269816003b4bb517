#include "cli/target.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <system_error>
#include <utility>

#include "base/invalid.h"
#include "base/patience.h"
#include "cli/text.h"
#include "flint/limit.h"
#include "flint/options.h"

namespace flint::cli {
namespace {

using base::invalid;

using namespace std::string_view_literals;

constexpr std::string_view kDefaultDataDir = ".flint";

/// The file may be a pipe: a shell makes one of `<(pass show flint)`. It is read once and not measured first, with a
/// bound, because a device or a log given by mistake has no end.
Result<api::Tokens> read_token_file(const std::string& path, int flags = 0) {
  constexpr std::size_t kMostBytes = 65536;  // of kMaxTokens at their longest, and some comments
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | flags);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(descriptor < 0 ? nullptr : ::fdopen(descriptor, "rb"),
                                                             std::fclose);
  struct stat status {};
  if ((flags & O_NONBLOCK) != 0 && file != nullptr && ::fstat(descriptor, &status) == 0 && !S_ISREG(status.st_mode)) {
    return invalid("The token file " + quote(path) +
                   " is not a regular file, so it can be read only once. Give --token-file a regular file, or start "
                   "the server again.");
  }
  std::string text(kMostBytes + 1, '\0');
  if (file != nullptr) text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (file == nullptr || std::ferror(file.get()) != 0) {
    const std::string why = std::generic_category().message(errno);
    return invalid("Cannot read the token file " + quote(path) + ": " + why + ". Check --token-file.");
  }
  if (text.size() > kMostBytes) {
    return invalid("The token file " + quote(path) + " contains more than " + std::to_string(kMostBytes) +
                   " bytes, so it does not hold tokens. Check --token-file.");
  }
  Result<api::Tokens> tokens = api::Tokens::parse(text);
  if (tokens.ok()) return tokens;
  return invalid("The token file " + quote(path) + " cannot be used. " + tokens.status().message());
}

/// One token alone, which may stand in a header field as one word.
Result<api::Tokens> single_token(std::string_view token, std::string_view source) {
  const bool visible = std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (visible && !token.empty() && token.size() <= api::kMaxTokenBytes && token != "#")
    return api::Tokens::parse(token);
  return invalid("The token from " + std::string(source) + " must be 1 to " + std::to_string(api::kMaxTokenBytes) +
                 " visible ASCII characters without spaces. Give one that the server uses.");
}

Result<std::chrono::milliseconds> choose_timeout(const Invocation& invocation) {
  const auto text = invocation.option("--timeout");
  if (!text) return HttpOptions{}.timeout;
  Result<Nanos> period = parse_period(*text);
  if (!period.ok()) {
    return invalid("--timeout must be a duration from 1ms to 366d, such as 500ms or 30s, not " + quote_given(*text) +
                   ".");
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(*period);
}

/// An option counts where it can have an effect, or is an error; a variable is for the servers that it fits.
Result<client::TlsOptions> choose_tls(const Invocation& invocation, const Environment& environment, bool tls) {
  if (!tls) {
    for (const std::string_view name : {"--ca"sv, "--cert"sv, "--key"sv}) {
      if (!invocation.has(name)) continue;
      return invalid(std::string(name) + " is for a server at https://. Give --server https://HOST with it.");
    }
    return client::TlsOptions();
  }
  const auto file = [&](std::string_view option, std::string_view variable) {
    const auto given = invocation.option(option);
    return given ? std::string(*given) : environment(variable).value_or("");
  };
  client::TlsOptions chosen{.ca_file = file("--ca", "FLINT_SERVER_CA"),
                            .cert_file = file("--cert", "FLINT_SERVER_CERT"),
                            .key_file = file("--key", "FLINT_SERVER_KEY")};
  // A certificate of the command line goes with a key of the command line, if any: it may hold its own.
  if (invocation.has("--cert") && !invocation.has("--key")) chosen.key_file.clear();
  return chosen;
}

Result<std::chrono::milliseconds> choose_lock_timeout(const Invocation& invocation) {
  const auto text = invocation.option("--lock-timeout");
  if (!text) return Target{}.lock_timeout;
  if (*text == "0") return std::chrono::milliseconds(0);
  Result<Nanos> period = parse_period(*text);
  if (!period.ok() || *period > kMaxLockTimeout) {
    return invalid("--lock-timeout must be 0 or a duration from 1ms to 1d, such as 500ms or 30s, not " +
                   quote_given(*text) + ".");
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(*period);
}

}  // namespace

Result<api::Tokens> read_tokens_again(const std::string& path) {
  // Not blocking: opening a pipe would wait for a writer, and the server would stop serving.
  return read_token_file(path, O_NONBLOCK);
}

Result<api::Tokens> choose_tokens(const Invocation& invocation, const Environment& environment) {
  const auto direct = invocation.option("--token");
  const auto file = invocation.option("--token-file");
  if (direct && file) return invalid("--token and --token-file are given together. Give one of them.");
  if (direct) return single_token(*direct, "--token");
  if (file) return read_token_file(std::string(*file));
  if (const auto variable = environment("FLINT_SERVER_TOKEN")) return single_token(*variable, "FLINT_SERVER_TOKEN");
  return api::Tokens();
}

Result<Target> choose_target(const Invocation& invocation, const Environment& environment) {
  const auto directory = invocation.option("--data-dir");
  const auto server = invocation.option("--server");
  if (directory && server) {
    return invalid("--data-dir and --server are given together. Give the one that holds the limits you mean.");
  }
  if (directory && directory->empty()) return invalid("--data-dir must not be empty. Name a directory.");

  Target target;
  std::optional<std::string> data_dir = environment("FLINT_DATA_DIR");
  std::optional<std::string> url = environment("FLINT_SERVER");
  // An option replaces both variables, not only its own: `--data-dir X` must not go to the server that FLINT_SERVER
  // names.
  if (directory || server) {
    data_dir = directory;
    url = server;
  } else if (data_dir && url) {
    return invalid("FLINT_DATA_DIR and FLINT_SERVER are both set. Unset one, or give --data-dir or --server.");
  }
  if (url) {
    Result<Endpoint> endpoint = parse_server_url(*url);
    if (!endpoint.ok()) return endpoint.status();
    target.server = std::move(*endpoint);
  }
  target.data_dir = data_dir.value_or(std::string(kDefaultDataDir));

  Result<api::Tokens> tokens = choose_tokens(invocation, environment);
  if (!tokens.ok()) return tokens.status();
  target.tokens = std::move(*tokens);
  if (!target.tokens.empty()) target.http.token = target.tokens.most_able();
  Result<std::chrono::milliseconds> timeout = choose_timeout(invocation);
  if (!timeout.ok()) return timeout.status();
  target.http.timeout = *timeout;
  Result<client::TlsOptions> tls = choose_tls(invocation, environment, target.server && target.server->tls);
  if (!tls.ok()) return tls.status();
  target.http.tls = std::move(*tls);
  Result<std::chrono::milliseconds> lock_timeout = choose_lock_timeout(invocation);
  if (!lock_timeout.ok()) return lock_timeout.status();
  target.lock_timeout = *lock_timeout;
  return target;
}

Result<std::unique_ptr<Caller>> reach_holder(const Target& target, const ConnectServer& connect_server) {
  // Without the token: the directory may be another user's, who could put a socket there to collect it.
  return connect_server(unix_endpoint(target.data_dir + "/flint.sock"), {.timeout = target.http.timeout});
}

/// The lock decides who answers: its holder knows the current state. So the directory is opened first, and the socket
/// in it is asked only if the lock is taken. Both are repeated, because the holder may change in between: a command
/// that holds the lock is soon done, and a server that starts takes the lock before it listens. If another user's
/// process listens there, waiting would not help.
Result<std::unique_ptr<Caller>> reach(const Target& target, Access access, const OpenDirectory& open_directory,
                                      const ConnectServer& connect_server) {
  if (target.server) return connect_server(*target.server, target.http);
  const base::Patience patience(target.lock_timeout);
  while (true) {
    Result<std::unique_ptr<Caller>> opened = open_directory(target.data_dir, access);
    if (opened.code() != Code::kDataDirLocked) return opened;
    Result<std::unique_ptr<Caller>> holder = reach_holder(target, connect_server);
    if (holder.code() == Code::kPermission) return holder;
    if (holder.ok()) return holder;
    if (!patience.pause()) return opened;
  }
}

}  // namespace flint::cli
