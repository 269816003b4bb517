#pragma once

#include <cstdint>
#include <mutex>

#include "base/unique_fd.h"

/// What a fork does to handles. After fork(2) both processes hold every descriptor, and the kernel keeps a flock while
/// either lives; so a worker forked from a process that holds the data directory would keep it locked after its parent
/// died. Handlers installed with pthread_atfork close such descriptors in the child. A raw clone(2) does not run them;
/// exec closes the descriptors by itself.
namespace flint::io {

/// Changes in a forked child. A handle remembers it at open and refuses when it differs. One atomic load.
[[nodiscard]] std::uint64_t fork_generation() noexcept;

/// While one lives, no thread of this process forks: between opening a descriptor and handing it to ParentOnlyFd.
/// Hold it only for calls that do not block.
class ForkExclusion {
 public:
  ForkExclusion();

 private:
  std::unique_lock<std::mutex> lock_;
};

/// A descriptor that a forked child must not keep. At most kMaxParentOnlyFds in a process at a time.
inline constexpr int kMaxParentOnlyFds = 1024;

class ParentOnlyFd {
 public:
  ParentOnlyFd() noexcept = default;
  /// Takes `fd`. Without a free place, valid() is false and `fd` is closed.
  ParentOnlyFd(base::UniqueFd fd, const ForkExclusion& exclusion) noexcept;
  ~ParentOnlyFd();
  ParentOnlyFd(const ParentOnlyFd&) = delete;
  ParentOnlyFd& operator=(const ParentOnlyFd&) = delete;

  /// False also in a forked child: the number may mean another file there by now.
  [[nodiscard]] bool valid() const noexcept { return fd_ >= 0 && generation_ == fork_generation(); }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_ = -1;
  int place_ = -1;
  std::uint64_t generation_ = 0;
};

}  // namespace flint::io
