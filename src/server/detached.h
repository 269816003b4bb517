#pragma once

#include <string>
#include <utility>

#include "base/unique_fd.h"
#include "flint/status.h"

namespace flint::server {

/// A server in the background, in a session of its own. The process that was started waits until the server is ready
/// and then exits with 0; if the server ends before that, it exits with the server's code. Standard error stays the
/// caller's until then, so that he reads why.
class Detached {
 public:
  /// Returns in the background process only. kIoError when the system allows no other process. Call while there is one
  /// thread.
  [[nodiscard]] static Result<Detached> detach();

  /// Lets the waiting process exit. From here on standard input is empty, and standard output and standard error go to
  /// the end of `log_file`, or nowhere if that is empty or cannot be opened.
  void ready(const std::string& log_file);

 private:
  explicit Detached(base::UniqueFd waits) : waits_(std::move(waits)) {}

  base::UniqueFd waits_;
};

}  // namespace flint::server
