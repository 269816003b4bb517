#include "client/unix_peer.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/display.h"

namespace flint::client {
namespace {

using base::quote;
using base::quote_given;
using base::shell_word;

constexpr uid_t kRoot = 0;

std::string user(uid_t uid) { return uid == kRoot ? "root" : "user " + std::to_string(uid); }

bool is_trusted(uid_t uid) { return uid == kRoot || uid == geteuid(); }

std::string directory_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? "." : std::string(path.substr(0, slash + 1));
}

std::optional<std::string> owner_warning(const std::string& directory, uid_t owner) {
  if (is_trusted(owner)) return std::nullopt;
  return "The directory " + quote(directory) + " belongs to " + user(owner) +
         ", who decides what is answered from it. Trust the answer only if you trust that user.";
}

}  // namespace

/// The directory is opened once, and its owner is read from the descriptor, so that nobody can exchange the directory
/// between the question of whom to trust and the connect. The descriptor also makes long paths usable: sun_path has 108
/// bytes, and /proc/self/fd/N/NAME fits where the path of a data directory does not.
Result<SocketPlace> SocketPlace::find(const std::string& path) {
  SocketPlace place;
  place.path_ = path;
  place.address_ = path;
  const std::string directory = directory_of(path);
  place.directory_ = base::UniqueFd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  if (!place.directory_.valid() || ::fstat(place.directory_.get(), &status) != 0) {
    return Status(Code::kUnavailable, "Cannot open the directory of the socket " + quote(path) + ": " +
                                          std::generic_category().message(errno) + ".");
  }
  place.owner_ = status.st_uid;
  if (path.size() < sizeof(sockaddr_un::sun_path)) return place;
  place.address_ = "/proc/self/fd/" + std::to_string(place.directory_.get()) + "/" + path.substr(path.rfind('/') + 1);
  if (place.address_.size() < sizeof(sockaddr_un::sun_path)) return place;
  return Status(Code::kUnavailable, "The name of the socket " + quote_given(path) + " is too long.");
}

/// The kernel answers with the credentials of the process that called listen(), which nobody can forge. The mode of the
/// socket says nothing: in a directory where others can write, anyone can replace it.
Status SocketPlace::check_peer(int connected) const {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (getsockopt(connected, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return {Code::kPermission, "Cannot find out who listens at " + quote(path_) + ": " +
                                   std::generic_category().message(errno) + ". Nothing was asked there."};
  }
  if (peer.uid == owner_ || is_trusted(peer.uid)) return {};
  return {Code::kPermission, "At " + quote(path_) + " listens a process of " + user(peer.uid) +
                                 ", but its directory belongs to " + user(owner_) +
                                 ". Nothing was asked there. Find out who put that socket there, and remove it."};
}

std::optional<std::string> data_dir_warning(const std::string& data_dir) {
  struct stat status {};
  if (::stat(data_dir.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return std::nullopt;
  if (auto warning = owner_warning(data_dir, status.st_uid)) return warning;
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) == 0) return std::nullopt;
  return "Others can write to the data directory " + quote(data_dir) +
         ", and so decide what is answered from it. Run: chmod go-w " + shell_word(data_dir);
}

std::optional<std::string> socket_warning(const std::string& socket_path) {
  const std::string directory = directory_of(socket_path);
  struct stat status {};
  if (::stat(directory.c_str(), &status) != 0) return std::nullopt;
  return owner_warning(directory, status.st_uid);
}

}  // namespace flint::client
