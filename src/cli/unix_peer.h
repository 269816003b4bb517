#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "flint/status.h"

/// Whom the command trusts on this machine: itself, root, and the owner of the directory that it was pointed to.
namespace flint::cli {

/// The place of a Unix socket. Keeps its directory open, so that the directory which is judged is the one that is used.
class SocketPlace {
 public:
  /// kUnavailable when the directory cannot be opened or the socket's name is too long. `path` may have any length.
  static Result<SocketPlace> find(const std::string& path);

  /// What connect() takes: at most 107 bytes.
  [[nodiscard]] const std::string& address() const { return address_; }

  /// Whether the process that listens at the other end of `connected` may answer: one of the directory's owner, of
  /// root, or of the caller. kPermission says who listens there instead.
  [[nodiscard]] Status check_peer(int connected) const;

 private:
  std::string path_;
  std::string address_;
  base::UniqueFd directory_;
  uid_t owner_ = 0;
};

/// The directory that the command is about to believe, as a warning, when others decide what is in it: it belongs to
/// neither the caller nor root, or others can write to it. Nothing for a directory that is not there.
[[nodiscard]] std::optional<std::string> data_dir_warning(const std::string& data_dir);

/// The same of the directory that holds a socket: its owner may listen there.
[[nodiscard]] std::optional<std::string> socket_warning(const std::string& socket_path);

}  // namespace flint::cli
