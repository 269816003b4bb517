#pragma once

#include <sys/types.h>
#include <sys/un.h>

#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "flint/status.h"
#include "net/bind_address.h"

namespace flint::net {

/// A bound socket. A socket in the file system removes its name when it is destroyed, if the name is still its own.
class ListenSocket {
 public:
  /// Fails with kPermission if the address may not be bound, otherwise with kIoError. Port 0 becomes the port that was
  /// free.
  static Result<ListenSocket> bind_tcp(const BindAddress& address);

  /// A socket that only the owner of this process can connect to (0600, from its first moment on). Replaces a socket
  /// that no process listens on. Fails with kPermission if a process listens there, or if there is another kind of
  /// file.
  static Result<ListenSocket> bind_unix(const std::string& path);

  /// `flint.sock` in a data directory whose lock this process holds, so that any socket there is a dead server's. Works
  /// for paths of any length.
  static Result<ListenSocket> bind_in_data_dir(const std::string& data_dir);

  /// A listening socket that another process passed on and still holds. Clients that connect when this server has ended
  /// wait there for the next one.
  static ListenSocket adopt(base::UniqueFd listening, const BindAddress& address);

  ListenSocket(ListenSocket&&) noexcept = default;
  ListenSocket& operator=(ListenSocket&&) noexcept = default;
  ~ListenSocket();

  /// From here on clients can connect.
  Status listen();
  /// Ends the wait for connections, and accepts no more.
  void stop_listening() const;

  [[nodiscard]] int fd() const { return fd_.get(); }
  /// The address as clients write it.
  [[nodiscard]] const std::string& url() const { return url_; }

 private:
  ListenSocket() = default;
  static Result<ListenSocket> bind_name(const std::string& path, bool holds_lock);
  /// Removes an abandoned socket at `address`.
  [[nodiscard]] Status replace_abandoned(const sockaddr_un& address, bool holds_lock) const;

  base::UniqueFd fd_;
  std::string url_;
  bool adopted_ = false;
  // For a socket in the file system.
  base::UniqueFd directory_;
  std::string name_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace flint::net
