#pragma once

#include <sys/types.h>
#include <sys/un.h>

#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "flint/status.h"
#include "net/bind_address.h"

namespace flint::net {

/// A bound socket. One in the file system takes its name away when it goes, if the name is still its own.
class ListenSocket {
 public:
  /// kPermission when the address may not be bound, else kIoError. Port 0 becomes the one that was found free.
  static Result<ListenSocket> bind_tcp(const BindAddress& address);

  /// A socket that only the owner of this process can connect to (0600, from its first moment on). A socket that nobody
  /// listens on is replaced; one that somebody listens on, or a file, is kPermission.
  static Result<ListenSocket> bind_unix(const std::string& path);

  /// `flint.sock` in a data directory whose lock this process holds: whatever socket is there is a dead server's. Works
  /// for paths of any length.
  static Result<ListenSocket> bind_in_data_dir(const std::string& data_dir);

  /// A socket that listens already and that another process, which passed it on, goes on holding: clients that connect
  /// when this server is gone wait there for the next one.
  static ListenSocket adopt(base::UniqueFd listening, const BindAddress& address);

  ListenSocket(ListenSocket&&) noexcept = default;
  ListenSocket& operator=(ListenSocket&&) noexcept = default;
  ~ListenSocket();

  /// From here on clients can connect.
  Status listen();
  /// Wakes whoever waits for connections, and lets no more in.
  void stop_listening() const;

  [[nodiscard]] int fd() const { return fd_.get(); }
  /// As a client names it.
  [[nodiscard]] const std::string& url() const { return url_; }

 private:
  ListenSocket() = default;
  static Result<ListenSocket> bind_name(const std::string& path, bool holds_lock);
  /// Makes way for a socket at `address`.
  [[nodiscard]] Status replace_abandoned(const sockaddr_un& address, bool holds_lock) const;

  base::UniqueFd fd_;
  std::string url_;
  bool adopted_ = false;
  /// Of a socket in the file system.
  base::UniqueFd directory_;
  std::string name_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace flint::net
