#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "io/posix_handle.h"

namespace flint::io {
namespace {

class PosixFile final : public File {
 public:
  PosixFile(base::UniqueFd fd, std::string path, bool mappable)
      : fd_(std::move(fd)), path_(std::move(path)), mappable_(mappable) {}
  ~PosixFile() override {
    if (!mapping_.empty()) ::munmap(mapping_.data(), mapping_.size());
  }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  void show_as(std::string_view name) override { path_.replace(path_.rfind('/') + 1, std::string::npos, name); }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const override;
  Result<std::uint64_t> next_data(std::uint64_t offset) const override;
  Status write_at(std::uint64_t offset, std::span<const std::byte> data) override;
  Status allocate(std::uint64_t size) override;
  Status truncate(std::uint64_t size) override;
  Result<std::uint64_t> size() const override;
  Result<FileId> id() const override;
  Status sync() override;
  bool can_map() const override { return mappable_; }
  Result<std::span<std::byte>> map(std::uint64_t size) override;

 private:
  Status failed(std::string_view operation) const { return errno_status(errno, operation, path_); }

  base::UniqueFd fd_;
  std::string path_;
  bool mappable_;
  std::span<std::byte> mapping_;
};

// Reads until the buffer is full or the file ends: the kernel may return less for other reasons (a signal, a limit of
// one call), and taking that for the end would cut off a log.
Result<std::size_t> PosixFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const auto at = static_cast<off_t>(offset + done);
    const ssize_t got = retry_eintr([&] { return ::pread(fd_.get(), out.data() + done, out.size() - done, at); });
    if (got < 0) return failed("read");
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

// SEEK_DATA also reports pages of reserved space that were stored to through a map and are not written yet, so a reader
// in another process misses nothing. Where the call is not supported, everything counts as data.
Result<std::uint64_t> PosixFile::next_data(std::uint64_t offset) const {
  const off_t data = ::lseek(fd_.get(), static_cast<off_t>(offset), SEEK_DATA);
  if (data >= 0) return static_cast<std::uint64_t>(data);
  if (errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS) return offset;
  if (errno != ENXIO) return failed("look for data in");
  const Result<std::uint64_t> end = this->size();
  return end.ok() ? std::max(offset, *end) : end;
}

Status PosixFile::write_at(std::uint64_t offset, std::span<const std::byte> data) {
  if (exceeds_file_size_limit(offset + data.size())) return errno_status(EFBIG, "write", path_);
  std::size_t done = 0;
  while (done < data.size()) {
    const auto at = static_cast<off_t>(offset + done);
    const ssize_t put = retry_eintr([&] { return ::pwrite(fd_.get(), data.data() + done, data.size() - done, at); });
    if (put < 0) return failed("write");
    if (put == 0) return errno_status(EIO, "write", path_);
    done += static_cast<std::size_t>(put);
  }
  return {};
}

// fallocate(2) and not posix_fallocate(3): glibc emulates the latter by writing a byte into each block, which races
// with stores through the map and reserves nothing where blocks are placed at write-back.
Status PosixFile::allocate(std::uint64_t size) {
  const Result<std::uint64_t> before = this->size();
  if (!before.ok()) return before.status();
  if (size == 0) return {};
  if (size > *before && exceeds_file_size_limit(size)) return errno_status(EFBIG, "reserve room for", path_);
  if (retry_eintr([&] { return ::fallocate(fd_.get(), 0, 0, static_cast<off_t>(size)); }) == 0) return {};
  const int error = errno;
  if (error == EOPNOTSUPP || error == ENOSYS) {
    mappable_ = false;
    return *before < size ? truncate(size) : Status();
  }
  // ext4 leaves a full disk filled up with the part that fitted, and the file as long: give it back. The failure is
  // reported in any case.
  const bool put_back = retry_eintr([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(*before)); }) == 0;
  return errno_status(error, put_back ? "reserve room for" : "reserve (or give back) room for", path_);
}

Status PosixFile::truncate(std::uint64_t size) {
  if (exceeds_file_size_limit(size)) {  // to cut a file is allowed whatever its length
    const Result<std::uint64_t> before = this->size();
    if (!before.ok()) return before.status();
    if (size > *before) return errno_status(EFBIG, "change the length of", path_);
  }
  if (retry_eintr([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); }) != 0) {
    return failed("change the length of");
  }
  return {};
}

Result<std::uint64_t> PosixFile::size() const {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) return failed("read the length of");
  return static_cast<std::uint64_t>(status.st_size);
}

Result<FileId> PosixFile::id() const {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) return failed("look at");
  return FileId{status.st_dev, status.st_ino};
}

// Never tried again after a real failure: the kernel has marked the pages clean by then, so a second call would
// "succeed" over data that is gone.
Status PosixFile::sync() {
  if (retry_eintr([&] { return ::fdatasync(fd_.get()); }) != 0) return failed("sync");
  return {};
}

Result<std::span<std::byte>> PosixFile::map(std::uint64_t size) {
  FLINT_ASSERT(mapping_.empty());
  FLINT_ASSERT(size > 0);
  const Result<std::uint64_t> length = this->size();
  if (!length.ok()) return length.status();
  if (size > *length) {  // a store past the end would stop the process with SIGBUS
    return Status(Code::kIoError, "cannot map " + path_ + ": it is shorter than when it was reserved.");
  }
  void* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
  if (at == MAP_FAILED) return failed("map");
  mapping_ = {static_cast<std::byte*>(at), static_cast<std::size_t>(size)};
  return mapping_;
}

}  // namespace

std::unique_ptr<File> make_posix_file(base::UniqueFd fd, std::string path, bool mappable) {
  return std::make_unique<PosixFile>(std::move(fd), std::move(path), mappable);
}

}  // namespace flint::io
