#include "testing/faulty_file_system.h"

#include <span>
#include <utility>

#include "io/errors.h"
#include "testing/faulty_state.h"

namespace flint::testing {
namespace {

using base::MutexLock;

Status past_the_end(const std::string& path) {
  return {Code::kInvalidArgument, "cannot damage " + path + ": that is past its end."};
}

}  // namespace

std::string_view call_name(Call call) noexcept {
  switch (call) {
    case Call::kCreate:
      return "create";
    case Call::kWrite:
      return "write";
    case Call::kAllocate:
      return "reserve room for";
    case Call::kTruncate:
      return "change the length of";
    case Call::kMap:
      return "map";
    case Call::kSync:
      return "sync";
    case Call::kRename:
      return "rename";
    case Call::kRemove:
      return "remove";
    case Call::kSyncDirectory:
      return "sync the directory";
    case Call::kDescribeHolder:
      return "describe the holder in";
    case Call::kOpen:
      return "open";
    case Call::kRead:
      return "read";
    case Call::kList:
      return "list";
  }
  return "use";
}

FaultyDisk::FaultyDisk(FaultyOptions options)
    : state_(std::make_shared<FaultyState>(std::move(options), io::MemoryTree::Names{},
                                           std::vector<std::shared_ptr<FaultyInode>>{})) {}

std::unique_ptr<io::Directory> FaultyDisk::directory() const { return make_faulty_directory(state_); }

std::vector<CallRecord> FaultyDisk::calls() const {
  const MutexLock lock(state_->mutex);
  return state_->calls;
}

std::uint64_t FaultyDisk::call_count() const {
  const MutexLock lock(state_->mutex);
  return state_->calls.size();
}

void FaultyDisk::fail_call(std::uint64_t number, Fault fault) {
  const MutexLock lock(state_->mutex);
  state_->failing_calls.insert_or_assign(number, fault);
}

void FaultyDisk::fail_every(Call call, Fault fault) {
  const MutexLock lock(state_->mutex);
  state_->failing_kinds.insert_or_assign(call, fault);
}

void FaultyDisk::die_at(std::uint64_t number, Fault fault) {
  const MutexLock lock(state_->mutex);
  state_->death.emplace(number, fault);
}

void FaultyDisk::stop_failing() {
  const MutexLock lock(state_->mutex);
  state_->failing_calls.clear();
  state_->failing_kinds.clear();
  state_->death.reset();
}

bool FaultyDisk::died() const {
  const MutexLock lock(state_->mutex);
  return state_->dead;
}

void FaultyDisk::set_capacity(std::optional<std::uint64_t> bytes) {
  const MutexLock lock(state_->mutex);
  state_->capacity = bytes;
}

std::optional<std::uint64_t> FaultyDisk::capacity() const {
  const MutexLock lock(state_->mutex);
  return state_->capacity;
}

std::uint64_t FaultyDisk::used_bytes() const {
  const MutexLock lock(state_->mutex);
  return state_->used_bytes();
}

void FaultyDisk::write_back_by_itself(std::uint64_t seed) {
  const MutexLock lock(state_->mutex);
  state_->write_back_dice.emplace(seed);
}

void FaultyDisk::fail_write_back(std::uint64_t seed) {
  const MutexLock lock(state_->mutex);
  Dice dice(seed);
  state_->fail_write_back(dice);
}

void FaultyDisk::forget_clean_pages(std::uint64_t seed) {
  const MutexLock lock(state_->mutex);
  Dice dice(seed);
  state_->forget_clean_pages(dice);
}

FaultyDisk FaultyDisk::crash(std::uint64_t seed, CrashPolicy policy) const {
  const MutexLock lock(state_->mutex);
  return FaultyDisk(state_->crash(seed, policy));
}

Status FaultyDisk::flip_bit(std::string_view name, std::uint64_t bit) {
  Result<std::string> before = content(name);
  if (!before.ok()) return before.status();
  if (bit / 8 >= before->size()) return past_the_end(state_->tree->path_of(name));
  const auto byte = static_cast<unsigned char>((*before)[bit / 8]);
  return overwrite(name, bit / 8, std::string(1, static_cast<char>(byte ^ (1U << (bit % 8)))));
}

Status FaultyDisk::overwrite(std::string_view name, std::uint64_t offset, std::string_view bytes) {
  const MutexLock lock(state_->mutex);
  const std::shared_ptr<io::MemoryInode> seen = state_->tree->find(name);
  if (seen == nullptr) return io::errno_status(ENOENT, "damage", state_->tree->path_of(name));
  if (offset + bytes.size() > seen->content.size()) return past_the_end(state_->tree->path_of(name));
  seen->content.write(offset, std::as_bytes(std::span(bytes)));
  state_->make_durable(seen);
  return {};
}

Status FaultyDisk::cut(std::string_view name, std::uint64_t size) {
  const MutexLock lock(state_->mutex);
  const std::shared_ptr<io::MemoryInode> seen = state_->tree->find(name);
  if (seen == nullptr) return io::errno_status(ENOENT, "damage", state_->tree->path_of(name));
  if (size > seen->content.size()) return past_the_end(state_->tree->path_of(name));
  seen->content.resize(size);
  state_->make_durable(seen);
  return {};
}

Status FaultyDisk::make_unreadable(std::string_view name, std::uint64_t offset, std::uint64_t bytes) {
  const MutexLock lock(state_->mutex);
  const std::shared_ptr<io::MemoryInode> seen = state_->tree->find(name);
  if (seen == nullptr) return io::errno_status(ENOENT, "damage", state_->tree->path_of(name));
  if (offset + bytes > seen->content.size()) return past_the_end(state_->tree->path_of(name));
  state_->inode_of(seen)->unreadable.emplace_back(offset, offset + bytes);
  return {};
}

void FaultyDisk::put(std::string_view name, std::string_view text) {
  const MutexLock lock(state_->mutex);
  static_cast<void>(state_->tree->remove(name));  // there may be none
  const std::shared_ptr<io::MemoryInode> seen = *state_->tree->open(name, io::OpenFile::kCreateNew);
  seen->content.write(0, std::as_bytes(std::span(text)));
  state_->track(seen);
  state_->make_durable(seen);
}

std::vector<std::string> FaultyDisk::names() const {
  std::vector<std::string> names;
  for (const auto& [name, inode] : state_->tree->names()) names.push_back(name);
  return names;
}

Result<std::string> FaultyDisk::content(std::string_view name) const {
  const std::shared_ptr<io::MemoryInode> seen = state_->tree->find(name);
  if (seen == nullptr) return io::errno_status(ENOENT, "read", state_->tree->path_of(name));
  std::string text(seen->content.size(), '\0');
  text.resize(seen->content.read(0, std::as_writable_bytes(std::span(text))));
  return text;
}

}  // namespace flint::testing
