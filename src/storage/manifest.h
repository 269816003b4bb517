#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "io/file_system.h"
#include "storage/log_format.h"

/// The manifest: a few lines of text with a checksum that name the files of the store. It is replaced atomically, and
/// contains nothing that a check changes.
namespace flint::storage {

struct SnapshotRef {
  std::uint64_t generation = 0;
  /// The snapshot contains the records up to here.
  Seq position = 0;

  friend bool operator==(const SnapshotRef&, const SnapshotRef&) = default;
};

struct Manifest {
  /// The format version that was read. The version written is always kFormatVersion.
  std::uint32_t version = kFormatVersion;
  /// The generation of the newest snapshot; 0 if there has been none.
  std::uint64_t generation = 0;
  /// Everything up to here was durable when the manifest was written: a log that ends earlier is damaged.
  Seq durable_seq = 0;
  /// The oldest segment that is needed.
  std::uint64_t first_segment = 1;
  /// The newest segment when the manifest was written. There may be newer ones; if this one is missing, the store is
  /// damaged.
  std::uint64_t last_segment = 1;
  /// Newest first, at most kKeptSnapshots.
  std::vector<SnapshotRef> snapshots;

  friend bool operator==(const Manifest&, const Manifest&) = default;
};

inline constexpr std::size_t kKeptSnapshots = 2;

[[nodiscard]] std::string encode_manifest(const Manifest& manifest);
/// Fails with kCorruption or kUnsupportedFormat; the message says what is wrong, without the file's name.
[[nodiscard]] Result<Manifest> parse_manifest(std::string_view text);
/// Fails with kNotFound if there is none.
[[nodiscard]] Result<Manifest> read_manifest(io::Directory& directory);

/// The manifest of an open store. Threads: any.
class ManifestFile {
 public:
  ManifestFile(io::Directory& directory, Manifest current);

  [[nodiscard]] Manifest current() const;
  /// The durable_seq and the last_segment of current(). These two do not wait for a running update.
  [[nodiscard]] Seq durable_seq() const noexcept { return durable_seq_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t last_segment() const noexcept { return last_segment_.load(std::memory_order_acquire); }
  /// Applies `change` and replaces the file durably. If the disk is full or no file can be created, the old manifest
  /// stays; after kStorageFailed either one may be on disk.
  Status update(const std::function<void(Manifest&)>& change);

 private:
  io::Directory& directory_;
  mutable base::Mutex mutex_;
  Manifest current_ FLINT_GUARDED_BY(mutex_);
  std::atomic<Seq> durable_seq_;
  std::atomic<std::uint64_t> last_segment_;
};

}  // namespace flint::storage
