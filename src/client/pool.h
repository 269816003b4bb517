#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "client/connection.h"
#include "flint/status.h"

namespace flint::client {

/// Connections to one server, which many threads use. Threads: any.
class ConnectionPool {
 public:
  ConnectionPool(Connector connector, std::size_t max_idle);

  /// Sends a request on a connection of its own, and again on a new one if the first breaks and that is safe: because
  /// the server cannot have got it, or because it is `repeatable`.
  Result<Answer> call(const Request& request, bool repeatable);
  /// Later calls fail with kClosed.
  void close();

  [[nodiscard]] const Connector& connector() const noexcept { return connector_; }

 private:
  using Taken = std::unique_ptr<Connection>;
  /// One that is idle, or null.
  Result<Taken> take();
  void give_back(Taken connection);

  const Connector connector_;
  const std::size_t max_idle_;
  base::Mutex mutex_;
  std::vector<Taken> idle_ FLINT_GUARDED_BY(mutex_);
  /// Whose they are: a child of fork() shares the sockets of its parent, and must not use them.
  pid_t process_ FLINT_GUARDED_BY(mutex_);
  bool closed_ FLINT_GUARDED_BY(mutex_) = false;
};

}  // namespace flint::client
