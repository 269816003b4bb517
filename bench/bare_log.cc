#include "bench/bare_log.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace flint::bench {
namespace {

constexpr std::size_t kFileBytes = std::size_t{64} << 20;
constexpr std::size_t kRecordBytes = 48;

void require(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::abort();
}

}  // namespace

BareLog::BareLog(const std::string& path) : fd_(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) {
  require(fd_ >= 0, path.c_str());
  require(fallocate(fd_, 0, 0, kFileBytes) == 0, "fallocate");
  void* const map = mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  require(map != MAP_FAILED, "mmap");
  map_ = static_cast<std::byte*>(map);
  require(fsync(fd_) == 0, "fsync");
}

BareLog::~BareLog() {
  munmap(map_, kFileBytes);
  close(fd_);
}

void BareLog::append_and_sync() {
  if (end_ + kRecordBytes > kFileBytes) end_ = 0;
  std::memset(map_ + end_, 0x5a, kRecordBytes);
  end_ += kRecordBytes;
  require(fdatasync(fd_) == 0, "fdatasync");
}

}  // namespace flint::bench
