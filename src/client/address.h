#pragma once

#include <sys/socket.h>

#include <chrono>
#include <string>
#include <vector>

#include "client/endpoint.h"
#include "client/names.h"
#include "flint/status.h"

namespace flint::client {

using Deadline = std::chrono::steady_clock::time_point;

/// Where a socket connects to.
class Address {
 public:
  Address(const sockaddr* address, socklen_t size);
  /// `path` is shorter than sockaddr_un::sun_path.
  static Address of_unix(const std::string& path);

  [[nodiscard]] int family() const noexcept { return storage_.ss_family; }
  [[nodiscard]] const sockaddr* get() const noexcept;
  [[nodiscard]] socklen_t size() const noexcept { return size_; }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

/// The addresses of a host, at least one. The system's resolver has no deadline, so it runs on a thread of its own. If
/// it takes too long, nobody waits for it: the thread is detached, and owns everything that it touches.
Result<std::vector<Address>> resolve(const Endpoint& endpoint, Deadline deadline, const Names& names);

}  // namespace flint::client
