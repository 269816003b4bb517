#include "original/snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>

#include "base/invalid.h"
#include "original/json_stream.h"
#include "original/sha256.h"
#include "original/snapshot_state.h"

namespace flint::original {
namespace {

using base::invalid;

/// The file is {"format_version":1,"created_at":TIME,"checksum":HEX,"snapshot":TEXT}, with a snapshot in JSON as a text
/// and its SHA-256. In the first versions it is the snapshot itself.
class SnapshotFile final : public JsonSink {
 public:
  explicit SnapshotFile(Usage& usage) : bare_(usage), wrapped_(usage), inner_(wrapped_) {}

  Status begin(const JsonPath& path, bool is_object) override { return bare_.begin(path, is_object); }
  Status value(const JsonPath& path, const Scalar& scalar) override {
    if (path.size() > 1 || (path[0] != "checksum" && path[0] != "snapshot")) return bare_.value(path, scalar);
    if (path[0] == "snapshot") return invalid("snapshot must be a string.");
    if (scalar.kind != Scalar::Kind::kString) return invalid("checksum must be a string.");
    if (!checksum_.empty()) return invalid("checksum appears more than once.");
    checksum_ = scalar.text;
    return {};
  }
  [[nodiscard]] bool in_pieces(const JsonPath& path) const override {
    return path.size() == 1 && path.front() == "snapshot";
  }
  Status piece(std::string_view text) override {
    is_wrapped_ = true;
    sum_.update(text);
    const Status read = inner_.write(text);
    return read.ok() ? read : invalid("in snapshot: " + std::string(read.message()));
  }

  /// The whole file was read.
  Status finish() {
    if (!is_wrapped_ && checksum_.empty()) return bare_.finish();
    if (!is_wrapped_) return invalid("snapshot is missing.");
    if (bare_.has_content()) return invalid("aof_offset and state must be in snapshot.");
    Status read = inner_.finish();
    if (!read.ok()) return invalid("in snapshot: " + std::string(read.message()));
    // Judged before the content is: nonsense in a damaged file is a consequence, and the damage is what to report.
    if (sum_.hex() != checksum_) return invalid("the checksum does not match: the file is damaged or was edited.");
    return wrapped_.finish();
  }
  [[nodiscard]] std::uint64_t log_offset() const { return is_wrapped_ ? wrapped_.log_offset() : bare_.log_offset(); }

 private:
  SnapshotState bare_;
  SnapshotState wrapped_;
  JsonStream inner_;
  Sha256 sum_;
  std::string checksum_;
  bool is_wrapped_ = false;
};

}  // namespace

Result<SnapshotReport> read_snapshot(io::Directory& directory, Usage& usage, const Progress& progress) {
  SnapshotReport report;
  Result<std::unique_ptr<io::File>> file = directory.open(kSnapshotName, io::OpenFile::kRead);
  if (file.code() == Code::kNotFound) return report;
  if (!file.ok()) return file.status();
  const Result<std::uint64_t> size = (*file)->size();
  if (!size.ok()) return size.status();

  SnapshotFile content(usage);
  JsonStream stream(content);
  std::string piece(std::size_t{256} << 10, '\0');
  std::uint64_t line = 1;
  const auto damaged = [&](const Status& status) {
    return Status(Code::kCorruption,
                  fmt::format("{}/{}:{}: {}", directory.path(), kSnapshotName, line, status.message()));
  };
  for (std::uint64_t offset = 0;;) {
    const Result<std::size_t> got = (*file)->read_at(offset, std::as_writable_bytes(std::span(piece)));
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    const std::string_view text = std::string_view(piece).substr(0, *got);
    const Status read = stream.write(text);
    const std::string_view until = read.ok() ? text : text.substr(0, stream.read());
    line += static_cast<std::uint64_t>(std::count(until.begin(), until.end(), '\n'));
    if (!read.ok()) return damaged(read);
    offset += *got;
    if (progress) progress(kSnapshotName, offset, *size);
  }
  if (Status whole = stream.finish(); !whole.ok()) return damaged(whole);
  line = 1;
  if (Status finished = content.finish(); !finished.ok()) return damaged(finished);
  report.exists = true;
  report.keys = usage.size();
  report.log_offset = content.log_offset();
  return report;
}

}  // namespace flint::original
