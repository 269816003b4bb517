#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/tokens.h"
#include "cli/caller.h"
#include "cli/command.h"
#include "cli/environment.h"
#include "cli/http_caller.h"
#include "flint/status.h"

/// Which store a command uses, and how to reach it.
namespace flint::cli {

struct Target {
  /// If absent, the data directory is used.
  std::optional<Endpoint> server;
  std::string data_dir;
  /// Those of a server that is started; a client sends `http.token`, which is one of them.
  api::Tokens tokens;
  HttpOptions http;
  /// How long a command waits for a data directory that another process holds.
  std::chrono::milliseconds lock_timeout{10'000};
};

/// From the options, else the environment, else the defaults. --data-dir with --server is an error, also when both come
/// from the environment.
Result<Target> choose_target(const Invocation& invocation, const Environment& environment);

/// Reads the tokens of --token-file again. Fails with kInvalidArgument if it is not a regular file.
Result<api::Tokens> read_tokens_again(const std::string& path);

/// From --token or --token-file, else FLINT_SERVER_TOKEN, else none.
Result<api::Tokens> choose_tokens(const Invocation& invocation, const Environment& environment);

using OpenDirectory = std::function<Result<std::unique_ptr<Caller>>(std::string_view data_dir, Access access)>;
using ConnectServer =
    std::function<Result<std::unique_ptr<Caller>>(const Endpoint& endpoint, const HttpOptions& options)>;

/// The server that holds the data directory, through its socket there. No token is sent to it, even if it asks.
Result<std::unique_ptr<Caller>> reach_holder(const Target& target, const ConnectServer& connect_server);

/// The server, the directory opened in this process, or the server that holds the directory. Waits for a holder that
/// does not listen, because it may end soon (another command) or listen soon (a server that starts). Fails with
/// kPermission if another user's process listens on the directory's socket.
Result<std::unique_ptr<Caller>> reach(const Target& target, Access access, const OpenDirectory& open_directory,
                                      const ConnectServer& connect_server);

}  // namespace flint::cli
