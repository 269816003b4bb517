#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "io/file_system.h"
#include "storage/log_format.h"

/// The manifest: a few checksummed lines of text that say which files make up the store. It is replaced in one step and
/// holds nothing that a check changes.
namespace flint::storage {

struct SnapshotRef {
  std::uint64_t generation = 0;
  /// Records up to here are in the snapshot.
  Seq position = 0;

  friend bool operator==(const SnapshotRef&, const SnapshotRef&) = default;
};

struct Manifest {
  /// The format that it was read in; kFormatVersion is always written.
  std::uint32_t version = kFormatVersion;
  /// Of the newest snapshot; 0 when there has been none.
  std::uint64_t generation = 0;
  /// Everything up to here was durable when this was written: a log that ends before it is damaged.
  Seq durable_seq = 0;
  /// The oldest segment that is needed.
  std::uint64_t first_segment = 1;
  /// The newest segment when this was written: there may be newer ones, and if it is gone, the store is damaged.
  std::uint64_t last_segment = 1;
  /// Newest first, at most kKeptSnapshots.
  std::vector<SnapshotRef> snapshots;

  friend bool operator==(const Manifest&, const Manifest&) = default;
};

inline constexpr std::size_t kKeptSnapshots = 2;

[[nodiscard]] std::string encode_manifest(const Manifest& manifest);
/// kCorruption or kUnsupportedFormat with what is wrong, without the file's name.
[[nodiscard]] Result<Manifest> parse_manifest(std::string_view text);
/// kNotFound when there is none.
[[nodiscard]] Result<Manifest> read_manifest(io::Directory& directory);

/// The manifest of an open store. Threads: any.
class ManifestFile {
 public:
  ManifestFile(io::Directory& directory, Manifest current);

  [[nodiscard]] Manifest current() const;
  /// The durable_seq and the last_segment of current(), without waiting for an update that runs.
  [[nodiscard]] Seq durable_seq() const noexcept { return durable_seq_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t last_segment() const noexcept { return last_segment_.load(std::memory_order_acquire); }
  /// Applies `change` and replaces the file; durable when it returns. On kDiskFull, or when no file can be created, the
  /// manifest is as before; after kStorageFailed it may be either.
  Status update(const std::function<void(Manifest&)>& change);

 private:
  io::Directory& directory_;
  mutable base::Mutex mutex_;
  Manifest current_ FLINT_GUARDED_BY(mutex_);
  std::atomic<Seq> durable_seq_;
  std::atomic<std::uint64_t> last_segment_;
};

}  // namespace flint::storage
