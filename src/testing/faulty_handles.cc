#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "base/assert.h"
#include "io/errors.h"
#include "io/lock_text.h"
#include "testing/faulty_state.h"

namespace flint::testing {
namespace {

using base::MutexLock;

class FaultyFile final : public io::File {
 public:
  /// With the state's mutex held.
  FaultyFile(std::shared_ptr<FaultyState> state, std::shared_ptr<FaultyInode> inode, std::string name, bool writable)
      : state_(std::move(state)), inode_(std::move(inode)), name_(std::move(name)), shown_(name_), writable_(writable) {
    ++inode_->open_handles;
  }
  ~FaultyFile() override {
    const MutexLock lock(state_->mutex);
    if (--inode_->open_handles == 0) inode_->write_back_failed = false;
    if (mapped_) content().unmap();
  }
  FaultyFile(const FaultyFile&) = delete;
  FaultyFile& operator=(const FaultyFile&) = delete;

  void show_as(std::string_view name) override {
    const MutexLock lock(state_->mutex);
    shown_ = name;
  }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const override;
  Result<std::uint64_t> next_data(std::uint64_t offset) const override;
  Status write_at(std::uint64_t offset, std::span<const std::byte> data) override;
  Status allocate(std::uint64_t size) override;
  Status truncate(std::uint64_t size) override;
  Result<std::uint64_t> size() const override;
  Result<io::FileId> id() const override { return io::memory_id(*inode_->seen); }
  Status sync() override;
  bool can_map() const override { return state_->options.can_map; }
  Result<std::span<std::byte>> map(std::uint64_t size) override;

 private:
  [[nodiscard]] io::MemoryContent& content() const { return inode_->seen->content; }
  [[nodiscard]] Status failed(int error, Call call) const {
    return io::errno_status(error, call_name(call), state_->tree->path_of(shown_));
  }
  Status sync_at_once();
  void resize(std::uint64_t size) {
    content().resize(size);
    inode_->stored.size_changed(size);
  }

  std::shared_ptr<FaultyState> state_;
  std::shared_ptr<FaultyInode> inode_;
  std::string name_;   // when it was opened: what calls() says
  std::string shown_;  // in messages
  bool writable_;
  bool mapped_ = false;
};

Result<std::size_t> FaultyFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  const MutexLock lock(state_->mutex);
  if (Status status = state_->check_read(Call::kRead, name_); !status.ok()) return status;
  const std::uint64_t end = std::min<std::uint64_t>(offset + out.size(), content().size());
  for (const auto& [from, to] : inode_->unreadable) {
    if (offset < to && from < end) return failed(EIO, Call::kRead);
  }
  return content().read(offset, out);
}

/// What cannot be read is no hole, whatever it holds.
Result<std::uint64_t> FaultyFile::next_data(std::uint64_t offset) const {
  const MutexLock lock(state_->mutex);
  if (Status status = state_->check_read(Call::kRead, name_); !status.ok()) return status;
  std::uint64_t data = content().next_data(offset);
  for (const auto& [from, to] : inode_->unreadable) {
    if (to > offset) data = std::min(data, std::max(offset, from));
  }
  return data;
}

Result<std::uint64_t> FaultyFile::size() const {
  const MutexLock lock(state_->mutex);
  if (Status status = state_->check_read(Call::kRead, name_); !status.ok()) return status;
  return content().size();
}

Status FaultyFile::write_at(std::uint64_t offset, std::span<const std::byte> data) {
  const MutexLock lock(state_->mutex);
  if (!writable_) return failed(EBADF, Call::kWrite);
  Attempt attempt = state_->begin(Call::kWrite, name_);
  const std::size_t wanted = attempt.part_of(data.size());
  const auto fits = static_cast<std::size_t>(state_->room_at(*inode_, offset, wanted));
  if (fits > 0) {
    content().write(offset, data.first(fits));
    inode_->stored.size_changed(content().size());
  }
  if (Status status = state_->finish(attempt, shown_); !status.ok()) return status;
  return fits < wanted ? failed(ENOSPC, Call::kWrite) : Status();
}

Status FaultyFile::allocate(std::uint64_t size) {
  const MutexLock lock(state_->mutex);
  if (!writable_) return failed(EBADF, Call::kAllocate);
  Attempt attempt = state_->begin(Call::kAllocate, name_);
  const bool fits = state_->room_at(*inode_, 0, size) == size;
  if (attempt.takes_effect() && fits && size > content().size()) resize(size);
  if (Status status = state_->finish(attempt, shown_); !status.ok()) return status;
  return fits ? Status() : failed(ENOSPC, Call::kAllocate);
}

Status FaultyFile::truncate(std::uint64_t size) {
  const MutexLock lock(state_->mutex);
  if (!writable_) return failed(EBADF, Call::kTruncate);
  Attempt attempt = state_->begin(Call::kTruncate, name_);
  const bool fits = state_->room_at(*inode_, 0, size) == size;
  if (attempt.takes_effect() && fits) resize(size);
  if (Status status = state_->finish(attempt, shown_); !status.ok()) return status;
  return fits ? Status() : failed(ENOSPC, Call::kTruncate);
}

Status FaultyFile::sync() {
  const auto half = state_->options.sync_takes / 2;
  if (half.count() > 0) std::this_thread::sleep_for(half);
  Status done = sync_at_once();
  if (half.count() > 0) std::this_thread::sleep_for(half);
  return done;
}

Status FaultyFile::sync_at_once() {
  const MutexLock lock(state_->mutex);
  Attempt attempt = state_->begin(Call::kSync, name_);
  const PageImage now(content(), inode_->stored.clean());
  if (attempt.ok()) {
    inode_->stored.sync(now);
  } else {
    inode_->stored.sync_failed(now, attempt.dice());
  }
  if (Status status = state_->finish(attempt, shown_); !status.ok()) return status;
  return std::exchange(inode_->write_back_failed, false) ? failed(EIO, Call::kSync) : Status();
}

Result<std::span<std::byte>> FaultyFile::map(std::uint64_t size) {
  const MutexLock lock(state_->mutex);
  FLINT_ASSERT(!mapped_ && state_->options.can_map);
  if (!writable_) return failed(EACCES, Call::kMap);
  const Attempt attempt = state_->begin(Call::kMap, name_);
  if (Status status = state_->finish(attempt, shown_); !status.ok()) return status;
  const std::span<std::byte> mapping = content().map(size);
  if (mapping.empty()) return failed(ENOMEM, Call::kMap);
  mapped_ = true;
  return mapping;
}

class FaultyLock final : public io::DirectoryLock {
 public:
  FaultyLock(std::shared_ptr<FaultyState> state, std::string name, std::unique_ptr<io::DirectoryLock> lock)
      : state_(std::move(state)), name_(std::move(name)), lock_(std::move(lock)) {}

  Status describe_holder(std::string_view text) override;
  Status still_held() const override;

 private:
  std::shared_ptr<FaultyState> state_;
  std::string name_;
  std::unique_ptr<io::DirectoryLock> lock_;
};

Status FaultyLock::describe_holder(std::string_view text) {
  const MutexLock guard(state_->mutex);
  Attempt attempt = state_->begin(Call::kDescribeHolder, name_);
  Status described;
  if (attempt.ok() || attempt.dice() != nullptr) {
    described = lock_->describe_holder(text.substr(0, attempt.part_of(text.size())));
    // The file may have been replaced under its holder; then nobody reads what was written.
    if (const auto seen = state_->tree->find(name_); seen != nullptr) {
      state_->inode_of(seen)->stored.size_changed(seen->content.size());
    }
  }
  if (Status status = state_->finish(attempt, name_); !status.ok()) return status;
  return described;
}

Status FaultyLock::still_held() const {
  const MutexLock guard(state_->mutex);
  return state_->dead ? io::lock_lost(state_->tree->path_of(name_)) : lock_->still_held();
}

class FaultyDirectory final : public io::Directory {
 public:
  explicit FaultyDirectory(std::shared_ptr<FaultyState> state) : state_(std::move(state)) {}

  const std::string& path() const override { return state_->options.path; }
  Result<std::unique_ptr<io::File>> open(std::string_view name, io::OpenFile how) override;
  Result<std::vector<std::string>> list() const override;
  Result<io::FileId> id_of(std::string_view name) const override { return state_->tree->id_of(name); }
  Status rename(std::string_view from, std::string_view to) override;
  Status remove(std::string_view name) override;
  Status sync() override;
  Result<std::unique_ptr<io::DirectoryLock>> lock(std::string_view name) override;
  Result<std::unique_ptr<io::DirectoryLock>> lock_shared(std::string_view name) override;
  Result<std::string> read_lock_holder(std::string_view name) const override;
  Result<io::FileSystemKind> kind() const override { return state_->options.kind; }

 private:
  [[nodiscard]] Result<std::shared_ptr<io::MemoryInode>> create(std::string_view name) FLINT_REQUIRES(state_->mutex);

  std::shared_ptr<FaultyState> state_;
};

Result<std::shared_ptr<io::MemoryInode>> FaultyDirectory::create(std::string_view name) {
  Attempt attempt = state_->begin(Call::kCreate, name);
  if (!attempt.takes_effect()) return state_->finish(attempt, name);
  Result<std::shared_ptr<io::MemoryInode>> made = state_->tree->open(name, io::OpenFile::kCreateNew);
  if (made.ok()) {
    state_->names.created(name, *made);
    state_->track(*made);
  }
  if (Status status = state_->finish(attempt, name); !status.ok()) return status;
  return made;
}

Result<std::unique_ptr<io::File>> FaultyDirectory::open(std::string_view name, io::OpenFile how) {
  const MutexLock lock(state_->mutex);
  if (Status valid = io::validate_name(name); !valid.ok()) return valid;
  if (how != io::OpenFile::kCreateNew) {
    if (Status status = state_->check_read(Call::kOpen, name); !status.ok()) return status;
  }
  Result<std::shared_ptr<io::MemoryInode>> seen =
      how == io::OpenFile::kCreateNew ? create(name) : state_->tree->open(name, how);
  if (!seen.ok()) return seen.status();
  return std::unique_ptr<io::File>(
      std::make_unique<FaultyFile>(state_, state_->inode_of(*seen), std::string(name), how != io::OpenFile::kRead));
}

Result<std::vector<std::string>> FaultyDirectory::list() const {
  const MutexLock lock(state_->mutex);
  if (Status status = state_->check_read(Call::kList, ""); !status.ok()) return status;
  std::vector<std::string> names;
  for (const auto& [name, inode] : state_->tree->names()) names.push_back(name);
  return names;
}

Status FaultyDirectory::rename(std::string_view from, std::string_view to) {
  const MutexLock lock(state_->mutex);
  if (Status valid = io::validate_name(to); !valid.ok()) return valid;
  Attempt attempt = state_->begin(Call::kRename, from);
  Status renamed;
  if (attempt.takes_effect()) {
    renamed = state_->tree->rename(from, to);
    if (renamed.ok() && from != to) state_->names.renamed(from, to, state_->tree->find(to));
  }
  if (Status status = state_->finish(attempt, from); !status.ok()) return status;
  return renamed;
}

Status FaultyDirectory::remove(std::string_view name) {
  const MutexLock lock(state_->mutex);
  Attempt attempt = state_->begin(Call::kRemove, name);
  Status removed;
  if (attempt.takes_effect()) {
    const std::shared_ptr<io::MemoryInode> inode = state_->tree->find(name);
    removed = state_->tree->remove(name);
    if (removed.ok()) state_->names.removed(name, inode);
  }
  if (Status status = state_->finish(attempt, name); !status.ok()) return status;
  return removed;
}

Status FaultyDirectory::sync() {
  const MutexLock lock(state_->mutex);
  Attempt attempt = state_->begin(Call::kSyncDirectory, "");
  if (attempt.ok()) {
    state_->names.sync();
  } else {
    state_->names.sync_failed(attempt.dice());
  }
  return state_->finish(attempt, "");
}

Result<std::unique_ptr<io::DirectoryLock>> FaultyDirectory::lock(std::string_view name) {
  const MutexLock guard(state_->mutex);
  if (Status valid = io::validate_name(name); !valid.ok()) return valid;
  if (state_->tree->find(name) == nullptr) {
    if (const auto made = create(name); !made.ok()) return made.status();
  } else if (Status status = state_->check_read(Call::kOpen, name); !status.ok()) {
    return status;
  }
  Result<std::unique_ptr<io::DirectoryLock>> lock = state_->tree->lock(name);
  if (!lock.ok()) return lock;
  return std::unique_ptr<io::DirectoryLock>(std::make_unique<FaultyLock>(state_, std::string(name), std::move(*lock)));
}

Result<std::unique_ptr<io::DirectoryLock>> FaultyDirectory::lock_shared(std::string_view name) {
  const MutexLock guard(state_->mutex);
  if (Status status = state_->check_read(Call::kOpen, name); !status.ok()) return status;
  Result<std::unique_ptr<io::DirectoryLock>> lock = state_->tree->lock_shared(name);
  if (!lock.ok()) return lock;
  return std::unique_ptr<io::DirectoryLock>(std::make_unique<FaultyLock>(state_, std::string(name), std::move(*lock)));
}

Result<std::string> FaultyDirectory::read_lock_holder(std::string_view name) const {
  const MutexLock guard(state_->mutex);
  if (Status status = state_->check_read(Call::kRead, name); !status.ok()) return status;
  return state_->tree->read_lock_holder(name);
}

}  // namespace

std::unique_ptr<io::Directory> make_faulty_directory(std::shared_ptr<FaultyState> state) {
  return std::make_unique<FaultyDirectory>(std::move(state));
}

}  // namespace flint::testing
