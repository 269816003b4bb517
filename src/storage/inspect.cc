#include <fmt/format.h>

#include <algorithm>

#include "storage/file_map.h"
#include "storage/file_names.h"
#include "storage/recovery.h"
#include "storage/surroundings.h"

namespace flint::storage {
namespace {

/// A writer that runs meanwhile can make one look wrong: a file was removed, a record was half written, and under load
/// several times in a row. Damage stays, and stays the same.
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

/// Segments that an open does not read, because a snapshot holds what they say: needed if that snapshot is lost.
void check_older_segments(const Recovery& recovery, const std::vector<FileMap>& files, std::vector<Finding>& findings) {
  for (std::size_t i = 0; i + 1 < recovery.segments.size(); ++i) {
    const std::string name = segment_name(recovery.segments[i].number);
    const auto map =
        std::find_if(files.begin(), files.end(), [&name](const FileMap& file) { return file.name == name; });
    if (map == files.end() || map->last_seq + 1 >= recovery.segments[i + 1].first_seq) continue;
    findings.push_back(
        {.fatal = false,
         .message = fmt::format("{} is damaged at offset {}. It is needed only if the newest snapshot is lost; two "
                                "compactions replace it.",
                                name, map->valid_bytes)});
  }
}

bool say_the_same(const std::vector<Finding>& one, const std::vector<Finding>& other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](const Finding& a, const Finding& b) { return a.message == b.message; });
}

bool has_fatal(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(), [](const Finding& finding) { return finding.fatal; });
}

/// What keeps a directory whose files are good from being opened.
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
  std::vector<Finding> in_files;
  Result<std::vector<FileMap>> files = map_files(directory, in_files);
  if (!files.ok()) return files.status();
  report.files = std::move(*files);
  if (recovery.ok()) check_older_segments(*recovery, report.files, in_files);
  report.degraded = report.degraded || !in_files.empty();
  add_untold(directory, report.findings, std::move(in_files));
  report.ok = !report.degraded && !has_fatal(report.findings);
  return report;
}

}  // namespace

Result<DoctorReport> inspect(io::Directory& directory, Owner& state) {
  // Nothing can be read at all: that is no finding but a failure.
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
