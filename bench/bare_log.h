#pragma once

#include <cstddef>
#include <string>

namespace flint::bench {

/// The least that "on stable storage before the caller hears of it" costs here: a record is copied into a preallocated,
/// mapped file, then fdatasync. What Flint does beyond that is its own overhead.
class BareLog {
 public:
  explicit BareLog(const std::string& path);
  ~BareLog();
  BareLog(const BareLog&) = delete;
  BareLog& operator=(const BareLog&) = delete;

  void append_and_sync();

 private:
  int fd_;
  std::byte* map_;
  std::size_t end_ = 0;
};

}  // namespace flint::bench
