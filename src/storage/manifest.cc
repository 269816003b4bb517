#include "storage/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/assert.h"
#include "storage/errors.h"
#include "storage/files.h"
#include "storage/format.h"

namespace flint::storage {
namespace {

constexpr std::string_view kFirstWords = "flint manifest ";
constexpr std::string_view kChecksumWord = "checksum ";
constexpr std::size_t kChecksumLineBytes = kChecksumWord.size() + 16 + 1;
constexpr std::size_t kMaxManifestBytes = 4096;

std::string checksum_line(std::string_view body) {
  return fmt::format("{}{:016x}\n", kChecksumWord, checksum(std::as_bytes(std::span(body)), 0));
}

/// Splits lines of one word and some numbers. After the first mismatch ok() is false for good, so that a caller can
/// read all fields and ask once.
class LineReader {
 public:
  explicit LineReader(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool next_is(std::string_view word) const { return rest_.starts_with(word); }
  void word(std::string_view expected) {
    ok_ = ok_ && rest_.starts_with(expected);
    if (ok_) rest_.remove_prefix(expected.size());
  }
  std::uint64_t number() {
    std::uint64_t value = 0;
    const auto [stop, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    ok_ = ok_ && error == std::errc();
    if (ok_) rest_.remove_prefix(static_cast<std::size_t>(stop - rest_.data()));
    return value;
  }
  std::uint64_t line(std::string_view word_and_blank) {
    word(word_and_blank);
    const std::uint64_t value = number();
    word("\n");
    return value;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool done() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

Status damaged(std::string_view what) { return {Code::kCorruption, std::string(what)}; }

bool is_plausible(const Manifest& manifest) {
  if (manifest.first_segment == 0 || manifest.last_segment < manifest.first_segment) return false;
  if (manifest.snapshots.size() > kKeptSnapshots) return false;
  if (manifest.snapshots.empty()) return true;
  if (manifest.snapshots.front().generation != manifest.generation) return false;
  if (manifest.snapshots.front().position > manifest.durable_seq) return false;
  const auto out_of_order = [](const SnapshotRef& newer, const SnapshotRef& older) {
    return newer.generation <= older.generation || newer.position < older.position;
  };
  const auto& snapshots = manifest.snapshots;
  return std::adjacent_find(snapshots.begin(), snapshots.end(), out_of_order) == snapshots.end();
}

/// For a manifest that was read: a checksum keeps chance out, but not a file made by hand. The numbers must also leave
/// enough of their ranges that no counter which continues from them can overflow while the store is open.
bool is_possible(const Manifest& manifest) {
  const auto is_of_a_snapshot = [](const SnapshotRef& ref) { return ref.generation != 0; };
  return is_plausible(manifest) && manifest.last_segment <= kHighestNumberAtOpen &&
         manifest.generation <= kHighestNumberAtOpen && manifest.durable_seq <= kHighestSeqAtOpen &&
         (manifest.generation == 0) == manifest.snapshots.empty() &&
         std::all_of(manifest.snapshots.begin(), manifest.snapshots.end(), is_of_a_snapshot);
}

}  // namespace

std::string encode_manifest(const Manifest& manifest) {
  std::string text = fmt::format("{}{}\n", kFirstWords, kFormatVersion);
  text += fmt::format("generation {}\n", manifest.generation);
  text += fmt::format("durable_seq {}\n", manifest.durable_seq);
  text += fmt::format("first_segment {}\n", manifest.first_segment);
  text += fmt::format("last_segment {}\n", manifest.last_segment);
  for (const SnapshotRef& snapshot : manifest.snapshots) {
    text += fmt::format("snapshot {} {}\n", snapshot.generation, snapshot.position);
  }
  return text + checksum_line(text);
}

Result<Manifest> parse_manifest(std::string_view text) {
  if (text.size() < kChecksumLineBytes) return damaged("it is shorter than its checksum");
  const std::string_view body = text.substr(0, text.size() - kChecksumLineBytes);
  if (text.substr(body.size()) != checksum_line(body)) return damaged("it does not match its checksum");

  LineReader lines(body);
  const std::uint64_t version = lines.line(kFirstWords);
  if (lines.ok() && version != kFormatVersion && version != kFormatVersion1) {
    return Status(Code::kUnsupportedFormat,
                  fmt::format("format version {}; this Flint knows the versions up to {}", version, kFormatVersion));
  }
  Manifest manifest;
  manifest.version = static_cast<std::uint32_t>(version);
  manifest.generation = lines.line("generation ");
  manifest.durable_seq = lines.line("durable_seq ");
  manifest.first_segment = lines.line("first_segment ");
  manifest.last_segment = lines.line("last_segment ");
  while (lines.ok() && lines.next_is("snapshot ")) {
    SnapshotRef snapshot;
    lines.word("snapshot ");
    snapshot.generation = lines.number();
    lines.word(" ");
    snapshot.position = lines.number();
    lines.word("\n");
    manifest.snapshots.push_back(snapshot);
  }
  if (!lines.done() || !is_possible(manifest)) {
    return damaged("its lines contradict each other, hold numbers that no store reaches, or are not known");
  }
  return manifest;
}

Result<Manifest> read_manifest(io::Directory& directory) {
  Result<std::unique_ptr<io::File>> file = directory.open(kManifestName, io::OpenFile::kRead);
  if (!file.ok()) return file.status();
  std::string text(kMaxManifestBytes + 1, '\0');
  const Result<std::size_t> size = (*file)->read_at(0, std::as_writable_bytes(std::span(text)));
  if (!size.ok()) return size.status();
  text.resize(*size);
  Result<Manifest> manifest = parse_manifest(text);
  if (!manifest.ok()) return at_place({directory, kManifestName}, manifest.status());
  return manifest;
}

ManifestFile::ManifestFile(io::Directory& directory, Manifest current)
    : directory_(directory),
      current_(std::move(current)),
      durable_seq_(current_.durable_seq),
      last_segment_(current_.last_segment) {}

Manifest ManifestFile::current() const {
  base::MutexLock lock(mutex_);
  return current_;
}

/// Replaced in one step by a rename, so that a reader finds the old or the new one and never a mixture. The change is
/// applied to a copy under the mutex: prover, compactor and close each own other lines, and must not write back stale
/// values of the rest. After a failed rename or sync it is not known which of the two files is on the disk, so the
/// store stops.
Status ManifestFile::update(const std::function<void(Manifest&)>& change) {
  base::MutexLock lock(mutex_);
  Manifest next = current_;
  change(next);
  next.version = kFormatVersion;
  FLINT_ASSERT(is_plausible(next));
  const std::string text = encode_manifest(next);
  if (Status written = write_temporary(directory_, kManifestName, std::as_bytes(std::span(text))); !written.ok()) {
    return written;
  }
  if (Status renamed = rename_temporary(directory_, kManifestName); !renamed.ok()) return after_failed_sync(renamed);
  if (Status synced = directory_.sync(); !synced.ok()) return after_failed_sync(synced);
  current_ = std::move(next);
  durable_seq_.store(current_.durable_seq, std::memory_order_release);
  last_segment_.store(current_.last_segment, std::memory_order_release);
  return {};
}

}  // namespace flint::storage
