#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "flint/limiter.h"

namespace flint::python {

/// Tells an event loop that group commits have happened, through a descriptor that it polls: the committing thread
/// writes eight bytes and goes on, without the GIL and whether or not the loop still runs. Many commits between two
/// turns of the loop are one wake-up.
class CommitSignal {
 public:
  /// Raises OSError when there is no descriptor to be had.
  CommitSignal();

  /// Readable once there is something to take().
  [[nodiscard]] int fileno() const noexcept { return state_->fd; }
  /// After this, the descriptor becomes readable when `ticket` is durable, or when that is unknown for good.
  void await(Limiter& limiter, Ticket ticket);
  /// (everything up to this ticket is durable, None), or (the same, the exception that says why no more will be). The
  /// descriptor is not readable any more.
  [[nodiscard]] nanobind::tuple take();

  static void define(nanobind::module_& module);

 private:
  /// Outlives this object for as long as a commit is awaited.
  struct State {
    explicit State(int descriptor) : fd(descriptor) {}
    ~State();
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    const int fd;
    std::mutex mutex;
    // Guarded by `mutex`.
    std::uint64_t durable_seq = 0;
    Status failure;
  };

  std::shared_ptr<State> state_;
};

}  // namespace flint::python
