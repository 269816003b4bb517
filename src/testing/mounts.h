#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <fstream>
#include <functional>
#include <string>

#include "testing/processes.h"

namespace flint::testing {

/// Mounts that no other process sees; for an ordinary user by being root of a user namespace.
inline bool own_mounts() {
  const auto write_file = [](const std::string& path, const std::string& text) { std::ofstream(path) << text; };
  const std::string uid = std::to_string(::getuid());
  const std::string gid = std::to_string(::getgid());
  if (::unshare(CLONE_NEWNS) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    write_file("/proc/self/uid_map", "0 " + uid + " 1");
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/gid_map", "0 " + gid + " 1");
  }
  return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

/// Runs `body` in a process with a file system of its own of this size ("256k") at `at`; skips the test where no such
/// thing may be had (containers).
inline void with_tmpfs(const std::string& at, const std::string& size, const std::function<void()>& body) {
  constexpr int kNotAllowed = 77;
  const pid_t child = start_child([&] {
    if (!own_mounts() || ::mount("tmpfs", at.c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0) ::_exit(kNotAllowed);
    body();
  });
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotAllowed) GTEST_SKIP() << "no mount namespace may be had here";
  EXPECT_EQ(status, 0) << "see the child's output above";
}

}  // namespace flint::testing
