#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace flint::bench {

/// A new directory on a real disk, removed with everything in it. In FLINT_BENCH_DIR, or else the working directory:
/// not in /tmp, which is memory on many machines, where an fsync costs nothing and proves nothing.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    const char* parent = std::getenv("FLINT_BENCH_DIR");
    path_ =
        std::filesystem::absolute(std::filesystem::path(parent == nullptr ? "." : parent) / "scratch-XXXXXX").string();
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace flint::bench
