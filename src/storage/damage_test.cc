#include <functional>

#include "storage/files.h"
#include "storage/inspect.h"
#include "storage/log_reader.h"
#include "storage/manifest.h"
#include "storage/repair.h"
#include "testing/store_workload.h"

/// Damage is never silent: whatever region of whatever file is changed, either everything that was acknowledged is
/// recovered, or the open fails and names the file; and repair makes the directory open again with a prefix.
namespace flint::storage {
namespace {

using testing::FaultyDisk;
using testing::History;
using testing::Survives;
using testing::test_effort;
using testing::test_seed;
using testing::TestOwner;
using testing::TestStore;
using testing::tiny_options;

struct Region {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// A disk with a store on it, and what must be found there.
struct Image {
  FaultyDisk disk;
  History history;

  /// A fresh copy.
  [[nodiscard]] FaultyDisk copy() const { return disk.crash(0, {.survives = Survives::kEverything}); }
};

/// Segments, two snapshots, a dropped tail, and a segment that was closed and opened again.
std::unique_ptr<TestStore> live(const FaultyDisk& disk, History& history, bool quiet_at_the_end) {
  for (int session = 0; session < 3; ++session) {
    TestStore store(disk, tiny_options());
    EXPECT_TRUE(store.open().ok());
    for (int i = 0; i < 12; ++i) {
      EXPECT_TRUE(store.append(history, std::string(static_cast<std::size_t>(20 + 17 * i), 'a')).ok());
      EXPECT_TRUE(i % 3 != 0 || store.wait(history).ok());
    }
    EXPECT_TRUE(session == 2 || store->compact().ok());
    EXPECT_TRUE(store.append(history, "after the compaction").ok());
    EXPECT_TRUE(store->close().ok());
  }
  auto store = std::make_unique<TestStore>(disk, tiny_options());
  EXPECT_TRUE(store->open().ok());
  for (int i = 0; i < 6; ++i) {
    EXPECT_TRUE(store->append(history, "record " + std::to_string(i)).ok());
    EXPECT_TRUE(store->wait(history).ok());
  }
  if (quiet_at_the_end) {
    EXPECT_TRUE((**store).tick().ok());
    EXPECT_TRUE((**store).tick().ok());
  }
  return store;
}

Image killed_when_idle() {
  const FaultyDisk disk;
  History history;
  const auto store = live(disk, history, true);
  return {disk.crash(0, {.survives = Survives::kEverything}), history};
}

Image killed_at_work() {
  const FaultyDisk disk;
  History history;
  const auto store = live(disk, history, false);
  return {disk.crash(0, {.survives = Survives::kEverything}), history};
}

Image closed() {
  const FaultyDisk disk;
  History history;
  const auto store = live(disk, history, false);
  EXPECT_TRUE((**store).close().ok());
  return {disk.crash(0, {.survives = Survives::kEverything}), history};
}

/// What the undamaged part of the directory still proves to have been durable.
Seq still_proven(const FaultyDisk& disk, const std::string& damaged, Region region) {
  const std::unique_ptr<io::Directory> directory = disk.directory();
  Seq proven = 0;
  if (damaged != kManifestName) proven = read_manifest(*directory)->durable_seq;
  for (const std::string& name : disk.names()) {
    const FileName file = classify(name);
    if (file.kind != FileKind::kSegment) continue;
    Result<SegmentReader> reader = SegmentReader::open(*directory, file.number);
    while (true) {
      const std::uint64_t offset = reader->offset();
      const Result<std::optional<ParsedRecord>> parsed = reader->next();
      if (!parsed.ok() || !*parsed) break;
      const bool hit = name == damaged && offset < region.end && region.begin < reader->offset();
      if (!hit) proven = std::max(proven, (*parsed)->durable_seq);
    }
  }
  return proven;
}

bool was_closed_at(const FaultyDisk& disk, const std::string& name, std::uint64_t offset) {
  if (classify(name).kind != FileKind::kSegment) return false;
  Result<SegmentReader> reader = SegmentReader::open(*disk.directory(), classify(name).number);
  while (reader->offset() < offset) {
    if (!reader->next().value()) return false;
  }
  return reader->offset() == offset && reader->ends_clean();
}

class DamageTest : public ::testing::TestWithParam<Image (*)()> {
 protected:
  DamageTest() : image_(GetParam()()) {}

  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const std::string& name : image_.disk.names()) {
      const FileKind kind = classify(name).kind;
      if (kind == FileKind::kManifest || kind == FileKind::kSegment || kind == FileKind::kSnapshot)
        names.push_back(name);
    }
    return names;
  }
  [[nodiscard]] std::uint64_t size_of(const std::string& name) const { return image_.disk.content(name)->size(); }

  void check(FaultyDisk& disk, const std::string& damaged, Region region) {
    SCOPED_TRACE(::testing::Message() << damaged << ", bytes " << region.begin << " to " << region.end);
    const auto before = content_of(disk);
    History history = image_.history;
    TestStore store(disk, tiny_options());
    const Status opened = store.open();
    if (opened.ok()) {
      history.acknowledged = std::min(history.acknowledged, still_proven(image_.disk, damaged, region));
      ASSERT_TRUE(history.explains(store.owner.records));
      return;
    }
    ++refused_;
    ASSERT_EQ(opened.code(), Code::kCorruption) << opened.message();
    ASSERT_NE(opened.message().find(damaged), std::string::npos) << opened.message();
    ASSERT_NE(opened.message().find("doctor"), std::string::npos) << opened.message();
    ASSERT_EQ(content_of(disk), before) << "a refused open changed something";
    if (refused_ % 16 == 1) check_repair(disk);
  }

  void check_repair(FaultyDisk& disk) {
    const auto before = content_of(disk);
    const std::unique_ptr<io::Directory> directory = disk.directory();
    TestOwner scratch;
    const Result<DoctorReport> inspected = inspect(*directory, scratch);
    ASSERT_TRUE(inspected.ok()) << inspected.status().message();
    EXPECT_FALSE(inspected->ok);
    EXPECT_EQ(content_of(disk), before) << "inspect writes nothing";
    const Result<DoctorReport> repaired = repair(*directory, scratch);
    ASSERT_TRUE(repaired.ok()) << repaired.status().message();
    for (const auto& [name, content] : before) {
      if (classify(name).kind == FileKind::kTemporary) continue;
      const Result<std::string> copy = disk.content(repair_copy_name(1, name));
      ASSERT_TRUE(copy.ok()) << "no copy of " << name;
      ASSERT_EQ(*copy, content) << name;
    }
    History kept = image_.history;
    kept.acknowledged = 0;
    TestStore store(disk, tiny_options());
    const Status opened = store.open();
    ASSERT_TRUE(opened.ok()) << opened.message();
    ASSERT_TRUE(kept.explains(store.owner.records));
    ASSERT_TRUE(store.append(kept, "after the repair").ok());
    ASSERT_TRUE(store.wait(kept).ok());
  }

  static std::map<std::string, std::string> content_of(const FaultyDisk& disk) {
    std::map<std::string, std::string> files;
    for (const std::string& name : disk.names()) {
      const FileKind kind = classify(name).kind;
      if (kind != FileKind::kLock && kind != FileKind::kRepairCopy) files[name] = *disk.content(name);
    }
    return files;
  }

  Image image_;
  int refused_ = 0;
};

TEST_P(DamageTest, UndamagedItOpens) {
  TestStore store(image_.copy(), tiny_options());
  ASSERT_TRUE(store.open().ok());
  EXPECT_TRUE(image_.history.explains(store.owner.records));
}

TEST_P(DamageTest, BitsThatFlip) {
  const std::uint64_t seed = test_seed();
  std::mt19937_64 random(seed);
  const std::uint64_t stride = std::max<std::uint64_t>(1, 5 / test_effort());
  for (const std::string& name : files()) {
    for (std::uint64_t byte = random() % stride; byte < size_of(name); byte += stride) {
      FaultyDisk disk = image_.copy();
      ASSERT_TRUE(disk.flip_bit(name, byte * 8 + random() % 8).ok());
      check(disk, name, {byte, byte + 1});
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(refused_, 0);
}

TEST_P(DamageTest, RegionsThatAreZeroed) {
  for (const std::string& name : files()) {
    for (const std::uint64_t length : {8U, 64U, 512U, 4096U}) {
      for (std::uint64_t begin = 0; begin < size_of(name); begin += length) {
        const std::uint64_t end = std::min(begin + length, size_of(name));
        FaultyDisk disk = image_.copy();
        ASSERT_TRUE(disk.overwrite(name, begin, std::string(end - begin, '\0')).ok());
        check(disk, name, {begin, end});
        if (HasFailure()) return;
      }
    }
  }
  EXPECT_GT(refused_, 0);
}

TEST_P(DamageTest, SectorsThatAreSwapped) {
  for (const std::string& name : files()) {
    for (std::uint64_t begin = 512; begin + 512 <= size_of(name); begin += 512) {
      FaultyDisk disk = image_.copy();
      const std::string content = *image_.disk.content(name);
      ASSERT_TRUE(disk.overwrite(name, begin - 512, content.substr(begin, 512)).ok());
      ASSERT_TRUE(disk.overwrite(name, begin, content.substr(begin - 512, 512)).ok());
      check(disk, name, {begin - 512, begin + 512});
      if (HasFailure()) return;
    }
  }
}

/// A segment is as long as its header says until it is closed, so that even a missing end is noticed.
TEST_P(DamageTest, FilesThatAreCut) {
  for (const std::string& name : files()) {
    for (std::uint64_t size = 0; size < size_of(name); size += 8) {
      FaultyDisk disk = image_.copy();
      ASSERT_TRUE(disk.cut(name, size).ok());
      // Cut exactly where it had been closed before it was opened again, a segment looks as it did then.
      check(disk, name, {size, was_closed_at(image_.disk, name, size) ? UINT64_MAX : size});
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(refused_, 0);
}

TEST_P(DamageTest, FilesThatAreGone) {
  for (const std::string& name : files()) {
    const FaultyDisk gone = image_.copy();
    ASSERT_TRUE(gone.directory()->remove(name).ok());
    FaultyDisk disk = gone.crash(0, {.survives = Survives::kEverything});
    check(disk, name, {0, 0});
    if (HasFailure()) return;
  }
}

/// Damage all over the directory, files that are gone and files that were never there: nothing stops the process, and a
/// repair always ends with a directory that opens.
TEST_P(DamageTest, AnythingAtAll) {
  const std::uint64_t seed = test_seed();
  for (std::uint64_t round = 0; round < 300 * test_effort(); ++round) {
    SCOPED_TRACE(::testing::Message() << "FLINT_TEST_SEED=" << seed << ", round " << round);
    std::mt19937_64 random(seed + round);
    FaultyDisk disk = image_.copy();
    const std::vector<std::string> names = files();
    for (std::uint64_t wound = random() % 6; wound < 6; ++wound) {
      const std::string& name = names[random() % names.size()];
      const std::uint64_t size = disk.content(name).ok() ? disk.content(name)->size() : 0;
      const std::uint64_t at = size == 0 ? 0 : random() % size;
      switch (random() % 6) {
        case 0:
          static_cast<void>(disk.directory()->remove(name));
          break;
        case 1:
          static_cast<void>(disk.cut(name, at));
          break;
        case 2:
          disk.put(random() % 2 == 0 ? segment_name(random() % 12) : snapshot_name(random() % 5), std::string(at, 'x'));
          break;
        default:
          static_cast<void>(
              disk.overwrite(name, at, std::string(random() % (size - at + 1), static_cast<char>(random()))));
      }
    }
    const std::unique_ptr<io::Directory> directory = disk.directory();
    TestOwner scratch;
    const auto before = content_of(disk);
    static_cast<void>(inspect(*directory, scratch));
    ASSERT_EQ(content_of(disk), before) << "inspect writes nothing";
    const Result<DoctorReport> repaired = repair(*directory, scratch);
    ASSERT_TRUE(repaired.ok() || repaired.code() == Code::kNotFound) << repaired.status().message();
    TestStore store(disk, tiny_options());
    const Status opened = store.open();
    ASSERT_TRUE(opened.ok()) << opened.message();
    History kept = image_.history;
    kept.acknowledged = 0;
    ASSERT_TRUE(kept.explains(store.owner.records));
  }
}

INSTANTIATE_TEST_SUITE_P(Images, DamageTest, ::testing::Values(&closed, &killed_when_idle, &killed_at_work),
                         [](const auto& param) {
                           if (param.param == &closed) return "Closed";
                           return param.param == &killed_when_idle ? "KilledWhenIdle" : "KilledAtWork";
                         });

// A record for which no caller had waited was durable with the seal after it, was then damaged, and was dropped in
// silence as one that nothing proved durable.
TEST(SealedLog, ProvesAlsoWhatNoCallerWaitedFor) {
  FaultyDisk disk;
  History history;
  {
    TestStore store(disk, tiny_options());
    ASSERT_TRUE(store.open().ok());
    ASSERT_TRUE(store.append(history, "waited for").ok());
    ASSERT_TRUE(store.wait(history).ok());
    ASSERT_TRUE(store.append(history, "not so").ok());
    ASSERT_TRUE(store->tick().ok());
    const std::string manifest = *disk.content(kManifestName);
    ASSERT_TRUE(store->tick().ok());
    disk.put(kManifestName, manifest);  // killed between the seal and the manifest
  }
  const std::string segment = segment_name(1);
  const std::size_t at = disk.content(segment)->find("not so");
  ASSERT_NE(at, std::string::npos);
  ASSERT_TRUE(disk.overwrite(segment, at, "damage").ok());
  TestStore store(disk, tiny_options());
  EXPECT_EQ(store.open().code(), Code::kCorruption);
}

// 1,000 checks were acknowledged, the idle log was sealed, its tail then read as zeros: 498 came back without a
// finding, since the seal was the only proof and was among the zeros.
TEST(SealedLog, IsDamagedWhereItsTailReadsAsZeros) {
  FaultyDisk disk;
  History history;
  {
    TestStore store(disk, tiny_options());
    ASSERT_TRUE(store.open().ok());
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(store.append(history, "record " + std::to_string(i)).ok());
      ASSERT_TRUE(store.wait(history).ok());
    }
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(store->tick().ok());
  }
  const std::string segment = segment_name(1);
  const std::string content = *disk.content(segment);
  for (int record = 0; record < 10; ++record) {
    SCOPED_TRACE(::testing::Message() << "zeros from record " << record << " on");
    FaultyDisk zeroed = disk.crash(0, {.survives = Survives::kEverything});
    const std::size_t from = content.find("record " + std::to_string(record)) - record_header::kSize;
    ASSERT_TRUE(zeroed.overwrite(segment, from, std::string(content.size() - from, '\0')).ok());
    TestStore store(zeroed, tiny_options());
    EXPECT_EQ(store.open().code(), Code::kCorruption);
  }
}

// A log that was cut at the clean-close mark of the session before lost seven acknowledged records in silence: it
// looked like one that was closed there.
TEST(SealedLog, IsDamagedWhereItIsCutAtAnEarlierCleanClose) {
  FaultyDisk disk;
  History history;
  {
    TestStore store(disk, tiny_options());
    ASSERT_TRUE(store.open().ok());
    ASSERT_TRUE(store.append(history, "one").ok());
    ASSERT_TRUE(store->close().ok());
  }
  const std::string segment = segment_name(1);
  const std::size_t closed_at = disk.content(segment)->size();
  {
    TestStore store(disk, tiny_options());
    ASSERT_TRUE(store.open().ok());
    for (int i = 0; i < 7; ++i) ASSERT_TRUE(store.append(history, "later").ok());
    ASSERT_TRUE(store.wait(history).ok());
    ASSERT_TRUE(store->tick().ok());
  }
  ASSERT_GT(disk.content(segment)->size(), closed_at) << "the second session appended to the same file";
  ASSERT_TRUE(disk.cut(segment, closed_at).ok());
  TestStore store(disk, tiny_options());
  EXPECT_EQ(store.open().code(), Code::kCorruption);
}

}  // namespace
}  // namespace flint::storage
