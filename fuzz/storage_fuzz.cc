#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

#include "base/coding.h"
#include "base/mutex.h"
#include "storage/files.h"
#include "storage/inspect.h"
#include "storage/repair.h"
#include "storage/store.h"
#include "store_files.h"
#include "testing/faulty_file_system.h"
#include "testing/fuzzed_choices.h"

/// Damaged data directories: inspecting changes nothing, an open is refused exactly when the doctor says so and then
/// changes nothing, an opened store works and comes back, and what a repair leaves opens.
///
/// The input picks one of a few real stores, and changes its files: bytes here and there, cuts, files gone or replaced.
/// In a part of the cases the checksums are made to fit again.
namespace {

using namespace flint;
using namespace flint::storage;
using Files = std::map<std::string, std::string>;

void require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
}

void require_ok(const Status& status, const char* what) { require(status.ok(), what + (": " + status.message())); }

/// Remembers all records. An entry of a snapshot is one of them.
class AllRecords final : public Owner {
 public:
  base::Mutex mutex;
  std::map<Seq, std::vector<std::byte>> records;

  void clear() override { records.clear(); }
  Status load(std::span<const std::byte> entry, Seq max_seq) override {
    if (entry.size() < sizeof(Seq)) return {Code::kCorruption, "an entry that is too short"};
    if (base::load_fixed<Seq>(entry.data()) > max_seq) return {Code::kCorruption, "an entry newer than its snapshot"};
    keep(base::load_fixed<Seq>(entry.data()), entry.subspan(sizeof(Seq)));
    return {};
  }
  Status replay(const Record& record) override {
    if (record.kind != 1) return {Code::kUnsupportedFormat, "a record of an unknown kind"};
    keep(record.seq, record.payload);
    return {};
  }
  void begin_snapshot() override { next_ = 0; }
  bool next_entries(const std::function<void(std::span<const std::byte>)>& emit) override {
    std::vector<std::byte> entry;
    {
      base::MutexLock lock(mutex);
      const auto record = records.lower_bound(next_);
      if (record == records.end()) return false;
      next_ = record->first + 1;
      entry.resize(sizeof(Seq));
      base::store_fixed(entry.data(), record->first);
      entry.insert(entry.end(), record->second.begin(), record->second.end());
    }
    emit(entry);
    return true;
  }
  Status on_tick() override { return {}; }

  void keep(Seq seq, std::span<const std::byte> payload) { records.insert_or_assign(seq, Bytes(payload)); }

 private:
  static std::vector<std::byte> Bytes(std::span<const std::byte> from) { return {from.begin(), from.end()}; }

  Seq next_ = 0;
};

StoreOptions options(bool read_only = false) {
  StoreOptions options;
  options.read_only = read_only;
  options.background = false;
  options.first_segment_bytes = 1024;
  options.max_segment_bytes = 2048;
  return options;
}

/// An owner and its store, in a directory of `disk`.
struct Session {
  explicit Session(const testing::FaultyDisk& disk) : directory(disk.directory()) {}

  Status open(bool read_only = false) {
    auto opened = Store::open(*directory, owner, owner.mutex, options(read_only));
    if (opened.ok()) store = std::move(*opened);
    return opened.status();
  }
  Status append(std::size_t bytes) {
    const std::vector<std::byte> payload(bytes, std::byte{'x'});
    base::MutexLock lock(owner.mutex);
    const Result<Seq> seq = store->append(1, payload);
    if (seq.ok()) owner.keep(*seq, payload);
    return seq.status();
  }

  std::unique_ptr<io::Directory> directory;
  AllRecords owner;
  std::unique_ptr<Store> store;
};

enum class Ending { kClosed, kIdle, kBusy };

/// Three lives: segments that filled up, two snapshots, and an end.
Files make_store(Ending ending) {
  const testing::FaultyDisk disk;
  for (int life = 0; life < 3; ++life) {
    Session session(disk);
    require_ok(session.open(), "a new store does not open");
    for (std::size_t i = 0; i < 10; ++i) {
      require_ok(session.append(20 + 17 * i), "an append failed");
      if (i % 3 == 0) require_ok(session.store->wait(session.store->last_seq()), "a wait failed");
      if (life < 2 && i == 8) require_ok(session.store->compact(), "a compaction failed");
    }
    if (life < 2 || ending == Ending::kClosed) require_ok(session.store->close(), "a close failed");
    if (life == 2 && ending == Ending::kIdle) {
      for (int i = 0; i < 3; ++i) require_ok(session.store->tick(), "a tick failed");
    }
  }
  Files files;
  for (const std::string& name : disk.names()) files[name] = *disk.content(name);
  return files;
}

void overwrite(std::string& content, testing::FuzzedChoices& data) {
  if (content.empty()) return;
  const auto at = static_cast<std::size_t>(data.pick(content.size()));
  const std::string bytes = data.string_up_to(32);
  content.replace(at, std::min(bytes.size(), content.size() - at), bytes, 0, content.size() - at);
}

void change_file(Files& files, testing::FuzzedChoices& data) {
  const auto index = data.pick(files.size());
  const auto file = std::next(files.begin(), static_cast<std::ptrdiff_t>(index));
  std::string& content = file->second;
  enum class Change { kOverwrite, kOverwriteAndMend, kCut, kReplace, kRemove, kRename, kCount };
  switch (static_cast<Change>(data.pick(static_cast<std::uint64_t>(Change::kCount)))) {
    case Change::kOverwrite:
      return overwrite(content, data);
    case Change::kOverwriteAndMend:
      overwrite(content, data);
      return fuzz::mend_checksums(file->first, content);
    case Change::kCut:
      return content.resize(data.pick(content.size() + 1));
    case Change::kReplace:
      content = data.string_up_to(512);
      return fuzz::mend_checksums(file->first, content);
    case Change::kRemove:
      if (files.size() > 1) files.erase(file);
      return;
    case Change::kRename: {
      const std::uint64_t number = data.pick(256);
      std::string moved = std::move(content);
      files.erase(file);
      files[(data.pick(256) & 1) == 1 ? segment_name(number) : snapshot_name(number)] = std::move(moved);
      return;
    }
    case Change::kCount:
      return;
  }
}

/// Without the lock file, which taking the lock creates.
Files content_of(const testing::FaultyDisk& disk) {
  Files files;
  for (const std::string& name : disk.names()) {
    if (name != kLockName) files[name] = *disk.content(name);
  }
  return files;
}

bool says_that_it_opens(const DoctorReport& report) {
  return std::none_of(report.findings.begin(), report.findings.end(), [](const Finding& f) { return f.fatal; });
}

bool is_for_lack_of_room(const Status& status) {
  return status.code() == Code::kDiskFull;  // a header may ask for a segment of any size
}

void require_works(Session& session, const testing::FaultyDisk& disk) {
  Store& store = *session.store;
  for (std::size_t i = 0; i < 3; ++i) {
    if (const Status appended = session.append(700); !appended.ok()) {
      return require(is_for_lack_of_room(appended), "an append failed: " + appended.message());
    }
  }
  if (const Status compacted = store.compact(); !compacted.ok()) {
    return require(is_for_lack_of_room(compacted), "a compaction failed: " + compacted.message());
  }
  require_ok(session.append(20), "an append after a compaction failed");
  require_ok(store.wait(store.last_seq()), "a wait failed");

  Session after_power_loss(disk.crash(0, {.survives = testing::Survives::kOnlySynced}));
  require_ok(after_power_loss.open(), "a store does not open after a loss of power");
  require(after_power_loss.owner.records == session.owner.records, "a loss of power changed what the store holds");
  require_ok(store.close(), "a close failed");
}

void require_repairs(const testing::FaultyDisk& disk, const Files& before) {
  const std::unique_ptr<io::Directory> directory = disk.directory();
  AllRecords scratch;
  const Result<DoctorReport> repaired = repair(*directory, scratch);
  if (repaired.code() == Code::kUnsupportedFormat) return require(content_of(disk) == before, "a repair that refused");
  require_ok(repaired.status(), "a repair failed");
  require(says_that_it_opens(*repaired), "after a repair the doctor says that the directory does not open");
  Session session(disk);
  require_ok(session.open(), "what a repair left does not open");
  require(session.owner.records == scratch.records, "a repair told of another state than it left");
  require_works(session, disk);
}

void require_handled(const testing::FaultyDisk& disk) {
  const Files before = content_of(disk);
  AllRecords scratch;
  const Result<DoctorReport> report = inspect(*disk.directory(), scratch);
  require(content_of(disk) == before, "inspecting changed something");
  {
    Session reader(disk);
    const Status opened = reader.open(true);
    require(opened.ok() == (report.ok() && says_that_it_opens(*report)),
            "reading and the doctor disagree: " + opened.message());
    require(content_of(disk) == before, "reading changed something");
  }
  Session session(disk);
  const Status opened = session.open();
  if (!opened.ok()) {
    require(content_of(disk) == before, "an open that was refused changed something");
    require(!report.ok() || !says_that_it_opens(*report), "the doctor is content, but: " + opened.message());
    if (report.ok()) require_repairs(disk, before);
    return;
  }
  require(!report.ok() || says_that_it_opens(*report), "the doctor warns of a directory that opens");
  require(!report.ok() || session.owner.records == scratch.records, "an open finds another state than the doctor");
  require_works(session, disk);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  constexpr std::size_t kLongest = 2048;
  constexpr std::uint64_t kCapacity = std::uint64_t{8} << 20;
  static const std::array kStores{make_store(Ending::kClosed), make_store(Ending::kIdle), make_store(Ending::kBusy)};
  if (size > kLongest) return 0;
  testing::FuzzedChoices data({bytes, size});
  Files files = kStores.at(data.pick(kStores.size()));
  while (data.more()) change_file(files, data);
  testing::FaultyDisk disk;
  for (const auto& [name, content] : files) disk.put(name, content);
  disk.set_capacity(kCapacity);
  require_handled(disk);
  return 0;
}
