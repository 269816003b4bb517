#include "commit_signal.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "errors.h"

namespace nb = nanobind;

namespace flint::python {

CommitSignal::State::~State() { ::close(fd); }

CommitSignal::CommitSignal() {
  const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) {
    PyErr_SetFromErrno(PyExc_OSError);
    throw nb::python_error();
  }
  state_ = std::make_shared<State>(fd);
}

void CommitSignal::await(Limiter& limiter, Ticket ticket) {
  limiter.when_durable(ticket, [state = state_, ticket](const Status& status) {
    {
      const std::lock_guard lock(state->mutex);
      if (status.ok()) {
        state->durable_seq = std::max(state->durable_seq, ticket.seq);
      } else {
        state->failure = status;
      }
    }
    // Fails only when the counter is full, and then the descriptor is readable already.
    static_cast<void>(::eventfd_write(state->fd, 1));
  });
}

nb::tuple CommitSignal::take() {
  eventfd_t count = 0;
  // Fails only when nothing was written since the last time.
  static_cast<void>(::eventfd_read(state_->fd, &count));
  std::unique_lock lock(state_->mutex);
  const std::uint64_t durable_seq = state_->durable_seq;
  const Status failure = state_->failure;
  lock.unlock();
  return nb::make_tuple(durable_seq, failure.ok() ? nb::none() : exception_for(failure));
}

void CommitSignal::define(nb::module_& module) {
  nb::class_<CommitSignal>(module, "CommitSignal")
      .def(nb::init<>())
      .def("fileno", &CommitSignal::fileno)
      .def("take", &CommitSignal::take);
}

}  // namespace flint::python
