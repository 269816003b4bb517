#include "net/listen_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace flint::net {
namespace {

constexpr std::string_view kSocketName = "flint.sock";

Status failure(std::string_view what, const std::string& where, int error) {
  const bool denied = error == EACCES || error == EPERM || error == EADDRINUSE || error == EADDRNOTAVAIL ||
                      error == ENOTDIR || error == EROFS || error == EOPNOTSUPP || error == ENAMETOOLONG;
  std::string message =
      "Cannot " + std::string(what) + " " + where + ": " + std::generic_category().message(error) + ".";
  if (error == EADDRINUSE) message += " Stop what listens there, or listen elsewhere with --bind.";
  return {denied ? Code::kPermission : Code::kIoError, std::move(message)};
}

base::UniqueFd open_socket(int family) {
  return base::UniqueFd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

struct TcpAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

TcpAddress to_sockaddr(const BindAddress& address) {
  TcpAddress result;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage);
  if (inet_pton(AF_INET, address.host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(address.port);
    result.size = sizeof(sockaddr_in);
    return result;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
  inet_pton(AF_INET6, address.host.c_str(), &v6->sin6_addr);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(address.port);
  result.size = sizeof(sockaddr_in6);
  return result;
}

/// `path`, or, when it is longer than a socket's address, the same place by way of the open directory.
sockaddr_un unix_address(const std::string& path, int directory, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string short_path =
      path.size() < sizeof(address.sun_path) ? path : "/proc/self/fd/" + std::to_string(directory) + "/" + name;
  std::strncpy(address.sun_path, short_path.c_str(), sizeof(address.sun_path) - 1);
  return address;
}

template <typename Address>
const sockaddr* generic(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

/// Whether the kernel says that nobody listens there; any other answer may come from somebody.
bool is_refused(const sockaddr_un& address) {
  const base::UniqueFd probe = open_socket(AF_UNIX);
  return probe.valid() && ::connect(probe.get(), generic(address), sizeof(address)) != 0 && errno == ECONNREFUSED;
}

bool bind_at(int socket, const sockaddr_un& address) { return ::bind(socket, generic(address), sizeof(address)) == 0; }

/// Binds so that the name belongs to the directory's owner, also when root does it. Root takes the owner's identity for
/// files during the call, rather than give the name away afterwards: by then the owner could have put another file
/// there. The owner may not reach the directory by its path. Where that does not work, the name is root's.
bool bind_as_owner(int socket, const sockaddr_un& address, int directory, const std::string& name) {
  struct stat owner {};
  if (geteuid() != 0 || fstat(directory, &owner) != 0 || owner.st_uid == 0) return bind_at(socket, address);
  const std::string too_long(sizeof(address.sun_path), '/');
  setfsgid(owner.st_gid);
  setfsuid(owner.st_uid);
  const bool bound = bind_at(socket, unix_address(too_long, directory, name));
  setfsuid(geteuid());
  setfsgid(getegid());
  return bound || bind_at(socket, address);
}

}  // namespace

Result<ListenSocket> ListenSocket::bind_tcp(const BindAddress& address) {
  ListenSocket socket;
  TcpAddress wanted = to_sockaddr(address);
  socket.fd_ = open_socket(wanted.storage.ss_family);
  const int yes = 1;
  if (!socket.fd_.valid() || setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
      ::bind(socket.fd(), wanted.get(), wanted.size) != 0) {
    const int error = errno;
    return failure("listen on", address.url(), error);
  }
  TcpAddress bound;
  bound.size = sizeof(bound.storage);
  if (getsockname(socket.fd(), bound.get(), &bound.size) != 0)
    return failure("ask for the port of", address.url(), errno);
  BindAddress found = address;
  // The port is at the same place in both kinds of address.
  found.port = ntohs(reinterpret_cast<const sockaddr_in*>(&bound.storage)->sin_port);
  socket.url_ = found.url();
  return socket;
}

Result<ListenSocket> ListenSocket::bind_unix(const std::string& path) { return bind_name(path, false); }

Result<ListenSocket> ListenSocket::bind_in_data_dir(const std::string& data_dir) {
  return bind_name(data_dir + "/" + std::string(kSocketName), true);
}

ListenSocket ListenSocket::adopt(base::UniqueFd listening, const BindAddress& address) {
  ListenSocket socket;
  socket.fd_ = std::move(listening);
  socket.url_ = address.url();
  socket.adopted_ = true;
  return socket;
}

Result<ListenSocket> ListenSocket::bind_name(const std::string& path, bool holds_lock) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  ListenSocket socket;
  socket.name_ = slash == std::string::npos ? path : path.substr(slash + 1);
  socket.url_ = "unix:" + path;
  if (socket.name_.empty()) return failure("listen on", socket.url_, EISDIR);
  socket.directory_ = base::UniqueFd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!socket.directory_.valid()) return failure("listen on", socket.url_, errno);
  socket.fd_ = open_socket(AF_UNIX);
  if (!socket.fd_.valid()) return failure("listen on", socket.url_, errno);
  const sockaddr_un address = unix_address(path, socket.directory_.get(), socket.name_);
  if (socket.name_.size() + std::string_view("/proc/self/fd/1234567/").size() >= sizeof(address.sun_path)) {
    return failure("listen on", socket.url_, ENAMETOOLONG);
  }

  if (Status free = socket.replace_abandoned(address, holds_lock); !free.ok()) return free;
  // The mode of the socket before bind is the mode that the name gets: at no time can others connect.
  const bool bound = fchmod(socket.fd(), 0600) == 0 &&
                     (holds_lock ? bind_as_owner(socket.fd(), address, socket.directory_.get(), socket.name_)
                                 : bind_at(socket.fd(), address));
  if (!bound) return failure("listen on", socket.url_, errno);
  struct stat there {};
  if (fstatat(socket.directory_.get(), socket.name_.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0) {
    socket.device_ = there.st_dev;
    socket.inode_ = there.st_ino;
  }
  return socket;
}

Status ListenSocket::replace_abandoned(const sockaddr_un& address, bool holds_lock) const {
  struct stat there {};
  if (fstatat(directory_.get(), name_.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? Status() : failure("listen on", url_, errno);
  }
  if (!S_ISSOCK(there.st_mode)) {
    return {Code::kPermission,
            "Cannot listen on " + url_ + ": the file there is not a socket. Remove it or choose another path."};
  }
  if (!holds_lock && !is_refused(address)) {
    return {Code::kPermission,
            "Cannot listen on " + url_ + ": another process is listening there. Stop it or choose another path."};
  }
  if (unlinkat(directory_.get(), name_.c_str(), 0) == 0) return {};
  return failure("replace the abandoned socket at", url_, errno);
}

ListenSocket::~ListenSocket() {
  struct stat there {};
  if (!directory_.valid() || inode_ == 0) return;
  if (fstatat(directory_.get(), name_.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (there.st_dev == device_ && there.st_ino == inode_) unlinkat(directory_.get(), name_.c_str(), 0);
}

Status ListenSocket::listen() {
  if (adopted_) return {};
  // The kernel takes less if net.core.somaxconn says so.
  constexpr int kBacklog = 4096;
  return ::listen(fd(), kBacklog) == 0 ? Status() : failure("listen on", url_, errno);
}

void ListenSocket::stop_listening() const {
  // A shutdown would end it for the process that passed it on, too.
  if (!adopted_) ::shutdown(fd(), SHUT_RDWR);
}

}  // namespace flint::net
