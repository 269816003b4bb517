#include "server/detached.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace flint::server {
namespace {

constexpr int kFailed = 3;
constexpr mode_t kOwnerOnly = 0600;

Status cannot(int error) {
  return {Code::kIoError, "Cannot start a server in the background: " + std::generic_category().message(error) + "."};
}

/// Until `server` is ready, or has ended.
[[noreturn]] void wait_for(pid_t server, int ready) {
  char byte = 0;
  ssize_t count = 0;
  do {
    count = read(ready, &byte, 1);
  } while (count < 0 && errno == EINTR);
  if (count == 1) _exit(0);
  int status = 0;
  while (waitpid(server, &status, 0) < 0) {
    if (errno != EINTR) _exit(kFailed);
  }
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : kFailed);
}

}  // namespace

Result<Detached> Detached::detach() {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) return cannot(errno);
  base::UniqueFd ready(ends[0]);
  base::UniqueFd waits(ends[1]);
  const pid_t server = fork();
  if (server < 0) return cannot(errno);
  if (server > 0) {
    waits = base::UniqueFd();
    wait_for(server, ready.get());
  }
  setsid();
  return Detached(std::move(waits));
}

void Detached::ready(const std::string& log_file) {
  const base::UniqueFd nothing(open("/dev/null", O_RDWR | O_CLOEXEC));
  base::UniqueFd log;
  if (!log_file.empty())
    log = base::UniqueFd(open(log_file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kOwnerOnly));
  dup2(nothing.get(), STDIN_FILENO);
  dup2(log.valid() ? log.get() : nothing.get(), STDOUT_FILENO);
  dup2(log.valid() ? log.get() : nothing.get(), STDERR_FILENO);
  const char byte = 0;
  // Nobody waits any more, if it fails.
  static_cast<void>(!write(waits_.get(), &byte, 1));
  waits_ = base::UniqueFd();
}

}  // namespace flint::server
