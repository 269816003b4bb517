#include "storage/inspect.h"

#include <fmt/format.h>

#include <algorithm>

#include "storage/errors.h"
#include "storage/files.h"
#include "storage/log_reader.h"
#include "storage/recovery.h"
#include "storage/snapshot.h"
#include "storage/surroundings.h"

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

/// A leftover file is replaced when its name is needed again; a directory of that name cannot be.
Status in_the_way(const Status& not_opened) {
  return {not_opened.code(),
          not_opened.message() + " Changes fail as long as it is there: Flint writes files of that name."};
}

}  // namespace

Result<std::vector<FileMap>> map_files(io::Directory& directory, std::vector<Status>& wrong) {
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
      wrong.push_back(in_the_way(opened.status()));
    }
    Status damage;
    if (file.kind == FileKind::kSegment) damage = map_segment(directory, file.number, map);
    if (file.kind == FileKind::kSnapshot) damage = map_snapshot(directory, file.number, map);
    // A writer removed the file since the listing, so it is no longer part of the store.
    if (damage.code() == Code::kNotFound) continue;
    if (!damage.ok()) wrong.push_back(std::move(damage));
    files.push_back(std::move(map));
  }
  return files;
}

/// Recovery and the map of the files may find the same damage. The advice at the end of their messages differs, so they
/// are compared by what is wrong.
void add_untold(std::vector<Finding>& told, const std::vector<Status>& wrong) {
  for (const Status& status : wrong) {
    const auto tells_it = [&status](const Finding& known) { return known.message.starts_with(status.problem()); };
    if (std::none_of(told.begin(), told.end(), tells_it)) {
      told.push_back({.fatal = false, .message = status.message()});
    }
  }
}

namespace {

/// The inspection takes no lock, so a running writer can make one attempt look like damage: a file was removed, a
/// record was half written, and under load several times in a row. Real damage stays, and stays the same; so two equal
/// reports in a row are believed.
constexpr int kAttempts = 20;

void describe(const Recovery& recovery, const io::Directory& directory, DoctorReport& report) {
  report.log_bytes = recovery.replayed_bytes;
  report.snapshot_exists = recovery.snapshot.has_value();
  report.snapshot_bytes = recovery.snapshot_bytes;
  report.last_seq = recovery.last_seq;
  report.durable_seq = recovery.manifest.durable_seq;
  report.degraded = recovery.degraded;
  report.findings = recovery.findings;
  if (!recovery.last || recovery.last->nonzero_end == recovery.last->used) return;
  report.findings.push_back(
      {.fatal = false,
       .message =
           fmt::format("{}/{}: after record {}, at offset {}, there are {} bytes of an incomplete record. Nothing "
                       "shows that it had been durable. The next open for writing copies them aside and continues "
                       "without them; you need not do anything.",
                       directory.path(), segment_name(recovery.last->header.number), recovery.last_seq,
                       recovery.last->used, recovery.last->nonzero_end - recovery.last->used)});
}

/// Segments that an open does not read, because the snapshot contains their records. Damage there would go unnoticed
void check_older_segments(const Recovery& recovery, const std::vector<FileMap>& files, std::vector<Status>& wrong) {
  for (std::size_t i = 0; i + 1 < recovery.segments.size(); ++i) {
    const std::string name = segment_name(recovery.segments[i].number);
    const auto map =
        std::find_if(files.begin(), files.end(), [&name](const FileMap& file) { return file.name == name; });
    if (map == files.end() || map->last_seq + 1 >= recovery.segments[i + 1].first_seq) continue;
    wrong.emplace_back(Code::kCorruption,
                       fmt::format("{} is damaged at offset {}. It is needed only if the newest snapshot is lost; two "
                                   "compactions replace it.",
                                   name, map->valid_bytes));
  }
}

bool say_the_same(const std::vector<Finding>& one, const std::vector<Finding>& other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](const Finding& a, const Finding& b) { return a.message == b.message; });
}

bool has_fatal(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(), [](const Finding& finding) { return finding.fatal; });
}

/// A directory whose files are all good still does not open if its lock file cannot be opened.
void check_lock_file(io::Directory& directory, std::vector<Finding>& findings) {
  const Result<std::unique_ptr<io::File>> lock = directory.open(kLockName, io::OpenFile::kRead);
  if (lock.ok() || lock.code() == Code::kNotFound) return;
  findings.push_back({.fatal = true, .message = lock.status().message()});
}

Result<DoctorReport> inspect_once(io::Directory& directory, Owner& state) {
  DoctorReport report;
  report.data_dir = directory.path();
  const Result<Recovery> recovery = recover(directory, state);
  if (recovery.ok()) {
    if (!recovery->exists) {
      return Status(Code::kNotFound, fmt::format("there is no Flint data in {}", directory.path()));
    }
    describe(*recovery, directory, report);
  } else {
    report.findings.push_back({.fatal = true, .message = recovery.status().message()});
  }
  check_lock_file(directory, report.findings);
  report_surroundings(directory, report.findings);
  std::vector<Status> in_files;
  Result<std::vector<FileMap>> files = map_files(directory, in_files);
  if (!files.ok()) return files.status();
  report.files = std::move(*files);
  if (recovery.ok()) check_older_segments(*recovery, report.files, in_files);
  report.degraded = report.degraded || !in_files.empty();
  add_untold(report.findings, in_files);
  report.ok = !report.degraded && !has_fatal(report.findings);
  return report;
}

}  // namespace

Result<DoctorReport> inspect(io::Directory& directory, Owner& state) {
  // A directory that cannot even be listed is a failure of the call, and not a finding about the store.
  if (const Result<Listing> listing = list_store(directory); !listing.ok()) return listing.status();
  Result<DoctorReport> before = inspect_once(directory, state);
  for (int attempt = 1; attempt < kAttempts; ++attempt) {
    if (before.ok() && before->ok) break;
    Result<DoctorReport> now = inspect_once(directory, state);
    const bool stays = now.ok() == before.ok() && (!now.ok() || say_the_same(now->findings, before->findings));
    before = std::move(now);
    if (stays) break;
  }
  return before;
}

}  // namespace flint::storage
