#pragma once

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <functional>

namespace flint::testing {

/// A one-way signal between processes: wait() returns when the other side has called raise() or is gone.
class Signal {
 public:
  Signal() { EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0); }
  ~Signal() {
    close_end(0);
    close_end(1);
  }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  void raise() { EXPECT_EQ(::write(ends_[1], "!", 1), 1); }
  /// True if it was raised, false if everybody who could is gone.
  [[nodiscard]] bool wait() {
    close_end(1);
    char byte = 0;
    return ::read(ends_[0], &byte, 1) == 1;
  }

 private:
  void close_end(std::size_t which) {
    if (ends_[which] >= 0) ::close(ends_[which]);
    ends_[which] = -1;
  }

  std::array<int, 2> ends_{-1, -1};
};

/// Starts a process that runs `body` and ends with 0 unless an expectation in it failed. Without destructors, so that a
/// test's own are not run twice.
inline pid_t start_child(const std::function<void()>& body) {
  std::fflush(nullptr);  // or the child may print it again
  const pid_t child = ::fork();
  EXPECT_GE(child, 0);
  if (child != 0) return child;
  body();
  ::_exit(::testing::Test::HasFailure() ? 1 : 0);
}

/// Of any child with -1.
inline void expect_success(pid_t child) {
  int status = 0;
  ASSERT_GT(::waitpid(child, &status, 0), 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status << "; see the child's output above";
}

inline void kill_and_reap(pid_t child) {
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
}

inline void run_in_child(const std::function<void()>& body) { expect_success(start_child(body)); }

/// In a process to which file permissions apply: root, whom they do not bind, becomes nobody first.
inline void run_as_user(const std::function<void()>& body) {
  run_in_child([&] {
    constexpr uid_t kNobody = 65534;
    if (::geteuid() == 0) {
      ASSERT_EQ(::setgroups(0, nullptr), 0);
      ASSERT_EQ(::setgid(kNobody), 0);
      ASSERT_EQ(::setuid(kNobody), 0);
    }
    body();
  });
}

}  // namespace flint::testing
