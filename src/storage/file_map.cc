#include "storage/file_map.h"

#include <algorithm>

#include "storage/errors.h"
#include "storage/file_names.h"
#include "storage/segment_reader.h"
#include "storage/snapshot_reader.h"

namespace flint::storage {
namespace {

std::string_view kind_name(FileKind kind) {
  switch (kind) {
    case FileKind::kLock:
      return "lock";
    case FileKind::kManifest:
      return "manifest";
    case FileKind::kSegment:
      return "log";
    case FileKind::kSnapshot:
      return "snapshot";
    case FileKind::kTail:
      return "tail";
    case FileKind::kTemporary:
    case FileKind::kRepairCopy:
    case FileKind::kOther:
      break;
  }
  return "other";
}

/// Returns the failure that ended the reading before the records did.
Status map_segment(io::Directory& directory, std::uint64_t number, FileMap& map) {
  Result<SegmentReader> reader = SegmentReader::open(directory, number);
  if (!reader.ok()) return reader.status();
  map.first_seq = reader->header().seq;
  Status status;
  while (status.ok()) {
    const Result<std::optional<ParsedRecord>> parsed = reader->next();
    status = parsed.status();
    if (status.ok() && !*parsed) break;
    if (status.ok()) ++map.records;
  }
  map.last_seq = reader->expected() - 1;
  map.valid_bytes = reader->offset();
  return status;
}

Status map_snapshot(io::Directory& directory, std::uint64_t generation, FileMap& map) {
  Result<SnapshotReader> reader = SnapshotReader::open(directory, generation);
  if (!reader.ok()) return reader.status();
  map.bytes = reader->bytes();
  map.first_seq = map.last_seq = reader->position();
  map.records = reader->entries();
  while (true) {
    const Result<std::optional<std::span<const std::byte>>> entry = reader->next();
    if (!entry.ok()) return entry.status();
    if (!*entry) return {};
  }
}

/// What was left behind is replaced when its name is needed again; a directory cannot be.
Finding in_the_way(const Status& not_opened) {
  return {.fatal = false,
          .message = not_opened.message() + " Changes fail as long as it is there: Flint writes files of that name."};
}

}  // namespace

Result<std::vector<FileMap>> map_files(io::Directory& directory, std::vector<Finding>& findings) {
  const Result<std::vector<std::string>> names = directory.list();
  if (!names.ok()) return names.status();
  std::vector<FileMap> files;
  for (const std::string& name : *names) {
    const FileName file = classify(name);
    FileMap map;
    map.name = name;
    map.kind = kind_name(file.kind);
    const Result<std::unique_ptr<io::File>> opened = directory.open(name, io::OpenFile::kRead);
    const Result<std::uint64_t> size = opened.ok() ? (*opened)->size() : opened.status();
    if (size.ok()) map.bytes = *size;
    if (file.kind == FileKind::kTemporary && opened.code() == Code::kPermission) {
      findings.push_back(in_the_way(opened.status()));
    }
    Status damage;
    if (file.kind == FileKind::kSegment) damage = map_segment(directory, file.number, map);
    if (file.kind == FileKind::kSnapshot) damage = map_snapshot(directory, file.number, map);
    // A file that a writer removed meanwhile is none of the store's any more.
    if (damage.code() == Code::kNotFound) continue;
    if (!damage.ok()) findings.push_back({.fatal = false, .message = damage.message()});
    files.push_back(std::move(map));
  }
  return files;
}

void add_untold(const io::Directory& directory, std::vector<Finding>& told, std::vector<Finding> in_files) {
  for (Finding& finding : in_files) {
    const std::string wrong = what_is_wrong(directory, {Code::kCorruption, finding.message});
    const auto tells_it = [&wrong](const Finding& known) { return known.message.starts_with(wrong); };
    if (std::none_of(told.begin(), told.end(), tells_it)) told.push_back(std::move(finding));
  }
}

}  // namespace flint::storage
