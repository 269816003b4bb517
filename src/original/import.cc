#include "original/import.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "base/invalid.h"
#include "io/posix_file_system.h"
#include "limiter/engine.h"

namespace flint::original {
namespace {

using base::invalid;

/// The original holds this lock, exclusively, as long as it runs.
constexpr std::string_view kOriginalsLock = "flint.lock";

Result<std::unique_ptr<io::Directory>> open_original(const ImportOptions& options) {
  Result<std::unique_ptr<io::Directory>> from = io::open_posix_directory(options.from, io::OpenDirectory::kMustExist);
  if (from.code() == Code::kNotFound) return invalid(std::string(from.status().message()));
  if (!from.ok()) return from;
  std::error_code error;
  if (std::filesystem::equivalent(options.from, options.data_dir, error) && !error) {
    return invalid(
        fmt::format("{} is also the data directory: the original's files stay as they are, so give another "
                    "one with --data-dir.",
                    options.from));
  }
  return from;
}

/// A shared lock on the original's own lock file, so that it cannot grant anything while its files are read; such
/// grants would be missing here. Null if the original never ran in the directory.
Result<std::unique_ptr<io::DirectoryLock>> keep_original_out(io::Directory& from) {
  Result<std::unique_ptr<io::DirectoryLock>> lock = from.lock_shared(kOriginalsLock);
  if (lock.code() == Code::kNotFound) return std::unique_ptr<io::DirectoryLock>();
  if (lock.code() == Code::kDataDirLocked) {
    return Status(Code::kDataDirLocked,
                  fmt::format("a process holds {}, and its grants from now on would be missing from "
                              "the import. Stop the original Flint first.",
                              from.path()));
  }
  return lock;
}

/// Opened like any data directory, so that the lock, the file system's suitability and existing limits are judged by
/// the same code. An unfinished import is accepted only here: this call is what completes it.
Status store(limiter::Keys keys, const ImportOptions& options) {
  auto directory = io::open_posix_directory(options.data_dir, io::OpenDirectory::kCreate);
  if (!directory.ok()) return directory.status();
  storage::StoreOptions tuning;
  tuning.accept_unfinished_import = true;
  auto engine = limiter::Engine::open(std::move(*directory), {.lock_timeout = options.lock_timeout}, tuning);
  if (!engine.ok()) return engine.status();
  const Status adopted = (*engine)->adopt(std::move(keys));
  const Status closed = (*engine)->close();
  return adopted.ok() ? closed : adopted;
}

}  // namespace

/// The snapshot first, because it says from where on the log is to be applied.
Result<Content> read_directory(io::Directory& from, WallTime now, const Progress& progress) {
  Content content;
  Usage usage(now);
  const Result<SnapshotReport> snapshot = read_snapshot(from, usage, progress);
  if (!snapshot.ok()) return snapshot.status();
  const Result<LogReport> log = read_log(from, snapshot->log_offset, usage, progress);
  if (!log.ok()) return log.status();
  if (!snapshot->exists && !log->exists) {
    return invalid(
        fmt::format("{} holds neither {} nor {}: it is not a data directory of the original Flint. Nothing was "
                    "changed.",
                    from.path(), kSnapshotName, kLogName));
  }
  content.report = {.keys = usage.size(), .snapshot = *snapshot, .log = *log, .late_times = usage.late()};
  content.keys = usage.take();
  return content;
}

/// Everything is read and judged in memory before the data directory is touched: a damaged line near the end must not
/// leave a directory that is half imported. The lock on the original is held until the copy is durable.
Result<ImportReport> import_directory(const ImportOptions& options) {
  Result<std::unique_ptr<io::Directory>> from = open_original(options);
  if (!from.ok()) return from.status();
  const Result<std::unique_ptr<io::DirectoryLock>> lock = keep_original_out(**from);
  if (!lock.ok()) return lock.status();
  Result<Content> content = read_directory(**from, system_clock().read().wall, options.progress);
  if (!content.ok()) return content.status();
  if (Status stored = store(std::move(content->keys), options); !stored.ok()) return stored;
  return content->report;
}

}  // namespace flint::original
