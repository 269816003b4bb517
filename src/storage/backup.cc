#include "storage/backup.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/errors.h"
#include "storage/files.h"
#include "storage/recovery.h"

namespace flint::storage {
namespace {

/// A writer can make one attempt fail: a compaction removed a file that was to be copied, or a record was half written
/// while the log's end was judged. Under load that happens several times in a row.
constexpr int kAttempts = 20;

/// One attempt.
class Copy {
 public:
  Copy(io::Directory& from, io::Directory& to) : from_(from), to_(to) {}

  Result<BackupResult> make(const Recovery& source) {
    Status status = begin();
    if (status.ok()) status = copy_snapshots(source);
    if (status.ok()) status = copy_segments(source);
    if (status.ok()) status = write_manifest(source);
    if (!status.ok()) return status;
    return BackupResult{.last_seq = source.last_seq, .bytes = bytes_};
  }

  /// Everything is in place: from here on the copy opens.
  Status release() {
    Status status = to_.remove(kBackupMarkName);
    return status.ok() ? to_.sync() : status;
  }

  /// The mark goes last, so that no crash in between leaves a part of the copy without it.
  void discard() {
    for (const std::string& name : created_) static_cast<void>(to_.remove(name));
    remove_temporary(to_, kManifestName);
    remove_temporary(to_, kBackupMarkName);
    static_cast<void>(to_.sync());
    static_cast<void>(to_.remove(kBackupMarkName));
  }

 private:
  Status begin() {
    constexpr std::string_view kText = "A backup into this directory is not finished, or was cut short.\n";
    Status status = write_temporary(to_, kBackupMarkName, std::as_bytes(std::span(kText)));
    if (status.ok()) status = rename_temporary(to_, kBackupMarkName);
    return status.ok() ? to_.sync() : status;
  }

  Status copy_snapshots(const Recovery& source) {
    manifest_ = source.manifest;
    manifest_.snapshots.clear();
    for (const SnapshotRef& ref : source.manifest.snapshots) {
      Status copied = copy_file(snapshot_name(ref.generation), UINT64_MAX, 0);
      // The older one may be gone, or unreadable: the store opens without it.
      const bool is_needed = source.snapshot && ref == *source.snapshot;
      if (!copied.ok() && (is_needed || copied.code() != Code::kNotFound)) return copied;
      if (copied.ok()) manifest_.snapshots.push_back(ref);
    }
    return {};
  }

  /// Only the newest segment is written to, and what is before the end of its records does not change any more. Nothing
  /// behind that is copied: a record that was half written would look like one that a crash cut short.
  Status copy_segments(const Recovery& source) {
    for (const SegmentInfo& segment : source.segments) {
      const bool is_last = segment.number == source.last->header.number;
      // As long as its header says, unless the segment was closed: else it would look cut off.
      const LastSegment& last = *source.last;
      const bool was_closed = last.ends_clean && last.bytes == last.used;
      const std::uint64_t end = is_last ? last.used : UINT64_MAX;
      const std::uint64_t length = is_last && !was_closed ? last.header.bytes : 0;
      if (Status copied = copy_file(segment_name(segment.number), end, length); !copied.ok()) return copied;
    }
    return {};
  }

  /// `length`: the size that the copy gets, unless it is longer.
  Status copy_file(const std::string& name, std::uint64_t end, std::uint64_t length) {
    Result<std::unique_ptr<io::File>> original = from_.open(name, io::OpenFile::kRead);
    if (!original.ok()) return original.status();
    Result<std::unique_ptr<io::File>> copy = to_.open(name, io::OpenFile::kCreateNew);
    if (!copy.ok()) return copy.status();
    created_.push_back(name);
    const Result<std::uint64_t> copied = copy_bytes(**original, 0, end, **copy);
    if (!copied.ok()) return copied.status();
    bytes_ += *copied;
    if (length > *copied) {
      if (Status extended = (*copy)->truncate(length); !extended.ok()) return extended;
    }
    return (*copy)->sync();
  }

  /// All of the copy is durable once it is written.
  Status write_manifest(const Recovery& source) {
    manifest_.durable_seq = source.last_seq;
    manifest_.first_segment = source.segments.front().number;
    manifest_.last_segment = source.last->header.number;
    if (Status names = to_.sync(); !names.ok()) return names;
    const std::string text = encode_manifest(manifest_);
    Status status = write_temporary(to_, kManifestName, std::as_bytes(std::span(text)));
    if (status.ok()) status = rename_temporary(to_, kManifestName);
    if (!status.ok()) return status;
    created_.emplace_back(kManifestName);
    bytes_ += text.size();
    return to_.sync();
  }

  io::Directory& from_;
  io::Directory& to_;
  Manifest manifest_;
  std::vector<std::string> created_;
  std::uint64_t bytes_ = 0;
};

Status check_empty(io::Directory& to) {
  const Result<std::vector<std::string>> names = to.list();
  if (!names.ok()) return names.status();
  if (names->empty()) return {};
  return {Code::kInvalidArgument,
          fmt::format("{} is not empty, and a backup replaces nothing. Name a new directory.", to.path())};
}

/// What is in `from`, if it is sound.
Result<Recovery> read_source(io::Directory& from, Owner& state) {
  Result<Recovery> source = recover(from, state);
  if (!source.ok()) return source;
  if (!source->exists || !source->last) {
    return Status(Code::kNotFound, fmt::format("there is no Flint data in {}", from.path()));
  }
  if (source->degraded) {
    const std::string why = source->findings.empty() ? std::string() : " " + source->findings.front().message;
    return Status(Code::kCorruption, fmt::format("{} is damaged, and is not copied.{}", from.path(), why));
  }
  return source;
}

Result<BackupResult> back_up_once(io::Directory& from, io::Directory& to, Owner& state) {
  const Result<Recovery> source = read_source(from, state);
  if (!source.ok()) return source.status();
  Copy copy(from, to);
  Result<BackupResult> made = copy.make(*source);
  Status status = made.status();
  if (status.ok()) {
    const Result<Recovery> back = recover(to, state, UnfinishedImport::kAccept);
    status = back.status();
    if (status.ok() && (back->last_seq != source->last_seq || back->degraded)) {
      status = {Code::kCorruption, fmt::format("the copy in {} ends with record {}, and not with record {}.", to.path(),
                                               back->last_seq, source->last_seq)};
    }
  }
  if (status.ok()) status = copy.release();
  if (status.ok()) return made;
  copy.discard();
  return status;
}

/// Whether a writer may be the reason.
bool may_pass(Code code) { return code == Code::kNotFound || code == Code::kCorruption; }

}  // namespace

Result<BackupResult> back_up(io::Directory& from, io::Directory& to, Owner& state) {
  if (Status empty = check_empty(to); !empty.ok()) return empty;
  Result<BackupResult> done = back_up_once(from, to, state);
  for (int attempt = 1; attempt < kAttempts && may_pass(done.code()); ++attempt) {
    Result<BackupResult> again = back_up_once(from, to, state);
    // Real damage stays the same.
    const bool stays = !again.ok() && again.status() == done.status();
    done = std::move(again);
    if (stays) break;
  }
  return done;
}

}  // namespace flint::storage
