#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "flint/status.h"

/// Which users the command trusts on this machine: its own, root, and the owner of the given directory.
namespace flint::client {

/// The location of a Unix socket. Keeps its directory open, so that the directory that was checked is the one used.
class SocketPlace {
 public:
  /// Fails with kUnavailable if the directory cannot be opened or the socket's name is too long. `path` may have any
  /// length.
  static Result<SocketPlace> find(const std::string& path);

  /// The address for connect(), at most 107 bytes.
  [[nodiscard]] const std::string& address() const { return address_; }

  /// Whether the process that listens at the other end of `connected` may answer: it must belong to the directory's
  /// owner, root or the caller. kPermission names the user that it belongs to instead.
  [[nodiscard]] Status check_peer(int connected) const;

 private:
  std::string path_;
  std::string address_;
  base::UniqueFd directory_;
  uid_t owner_ = 0;
};

/// A warning if other users decide what is in the data directory: it belongs to neither the caller nor root, or others
/// can write to it. Nothing if the directory does not exist.
[[nodiscard]] std::optional<std::string> data_dir_warning(const std::string& data_dir);

/// The same for the directory of a socket, whose owner may listen there.
[[nodiscard]] std::optional<std::string> socket_warning(const std::string& socket_path);

}  // namespace flint::client
