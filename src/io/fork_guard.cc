#include "io/fork_guard.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "base/assert.h"

namespace flint::io {
namespace {

std::atomic<std::uint64_t> generation{1};

// Fixed storage, so that the child's handler does nothing but async-signal-safe calls.
struct Registry {
  std::mutex mutex;
  std::array<int, kMaxParentOnlyFds> fds = filled();

  static std::array<int, kMaxParentOnlyFds> filled() {
    std::array<int, kMaxParentOnlyFds> fds{};
    fds.fill(-1);
    return fds;
  }
};

// Never destroyed: a thread may fork while the process exits.
Registry& registry() {
  static Registry& instance = *new Registry;
  return instance;
}

// The registry is locked across the fork, so that the child finds it whole, and no descriptor is between its open and
// its place in it. The generation makes handles in the child refuse: the number of a descriptor that was closed there
// may mean another file by now.
void before_fork() { registry().mutex.lock(); }
void after_fork_in_parent() { registry().mutex.unlock(); }
void after_fork_in_child() {
  generation.fetch_add(1, std::memory_order_relaxed);
  for (int& fd : registry().fds) {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
  registry().mutex.unlock();
}

// Installed before main(), so that fork_generation() need not look whether it is.
[[maybe_unused]] const bool kInstalled = [] {
  registry();
  const int error = ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  FLINT_ASSERT(error == 0);
  return true;
}();

}  // namespace

std::uint64_t fork_generation() noexcept { return generation.load(std::memory_order_relaxed); }

ForkExclusion::ForkExclusion() : lock_(registry().mutex) {}

ParentOnlyFd::ParentOnlyFd(base::UniqueFd fd, const ForkExclusion& /*exclusion*/) noexcept {
  auto& fds = registry().fds;
  auto* const free = std::find(fds.begin(), fds.end(), -1);
  if (free == fds.end()) return;
  place_ = static_cast<int>(free - fds.begin());
  generation_ = fork_generation();
  fd_ = fd.release();
  *free = fd_;
}

// In a child, valid() is false: the descriptor was closed by the handler, and its place may be taken by another one.
ParentOnlyFd::~ParentOnlyFd() {
  if (!valid()) return;
  const ForkExclusion exclusion;
  registry().fds[static_cast<std::size_t>(place_)] = -1;
  ::close(fd_);
}

}  // namespace flint::io
