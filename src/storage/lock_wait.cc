#include "storage/lock_wait.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <optional>

#include "base/patience.h"
#include "storage/errors.h"
#include "storage/files.h"

namespace flint::storage {
namespace {

using Lock = std::unique_ptr<io::DirectoryLock>;

constexpr std::string_view kProcess = "process ";
constexpr std::string_view kServer = "server";
constexpr std::string_view kEmbedded = "embedded";

/// What holder_text() wrote; nothing for another text, since a lock file may hold anything.
std::optional<LockHolder> parse_holder(std::string_view text) {
  if (!text.starts_with(kProcess)) return std::nullopt;
  text.remove_prefix(kProcess.size());
  LockHolder holder;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), holder.process_id);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.starts_with(", ")) return std::nullopt;
  text.remove_prefix(2);
  holder.is_server = text.starts_with(kServer);
  return holder.is_server || text.starts_with(kEmbedded) ? std::optional(holder) : std::nullopt;
}

/// Adds to kDataDirLocked what the lock file says about its holder. That text is a hint: the lock itself is the
/// kernel's, and the text may be from an earlier holder.
Status with_holder(io::Directory& directory, const Status& locked) {
  // Where readers have the lock, the text is that of a writer before them, which may be dead.
  if (directory.lock_shared(kLockName).ok()) return locked;
  const Result<std::string> holder = directory.read_lock_holder(kLockName);
  if (!holder.ok() || holder->empty()) return locked;
  const Status named(locked.code(), fmt::format("{} Its holder says: {}.", locked.message(), *holder));
  const std::optional<LockHolder> parsed = parse_holder(*holder);
  return parsed ? named.held_by(*parsed) : named;
}

Result<Lock> take_lock(io::Directory& directory, LockFor use) {
  if (use == LockFor::kWriting) return directory.lock(kLockName);
  Result<Lock> lock = directory.lock_shared(kLockName);
  return lock.code() == Code::kNotFound ? Lock() : std::move(lock);
}

}  // namespace

std::string holder_text(std::string_view server_address) {
  const std::string role =
      server_address.empty() ? std::string(kEmbedded) : fmt::format("{} at {}", kServer, server_address);
  return fmt::format("{}{}, {}", kProcess, ::getpid(), role);
}

/// Each try is a short one: a process that is forked meanwhile must not have a copy of a lock that it does not know of.
Result<Lock> wait_for_lock(io::Directory& directory, LockFor use, const LockWait& wait) {
  const base::Patience patience(wait.most);
  for (;;) {
    Result<Lock> lock = take_lock(directory, use);
    if (lock.code() != Code::kDataDirLocked) return lock;
    if (wait.stop != nullptr && wait.stop->load(std::memory_order_relaxed)) return opening_stopped(directory);
    if (!patience.pause()) return with_holder(directory, lock.status());
    if (wait.keep_waiting && !wait.keep_waiting()) return with_holder(directory, lock.status());
  }
}

}  // namespace flint::storage
