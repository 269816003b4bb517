#include "storage/snapshot.h"

#include "storage/files.h"
#include "testing/test_store.h"

namespace flint::storage {
namespace {

using testing::bytes_of;
using testing::text_of;

void write_snapshot(const testing::FaultyDisk& disk, const std::vector<std::string>& entries) {
  const auto directory = disk.directory();
  Result<SnapshotWriter> writer = SnapshotWriter::open(*directory, 5, 100);
  ASSERT_TRUE(writer.ok());
  for (const std::string& entry : entries) ASSERT_TRUE(writer->add(bytes_of(entry)).ok());
  ASSERT_TRUE(writer->finish(120).ok());
  ASSERT_TRUE(writer->publish().ok());
}

Result<std::vector<std::string>> read_snapshot(const testing::FaultyDisk& disk) {
  const auto directory = disk.directory();
  Result<SnapshotReader> reader = SnapshotReader::open(*directory, 5);
  if (!reader.ok()) return reader.status();
  EXPECT_EQ(reader->position(), 100U);
  EXPECT_EQ(reader->max_seq(), 120U);
  std::vector<std::string> entries;
  while (true) {
    const Result<std::optional<std::span<const std::byte>>> entry = reader->next();
    if (!entry.ok()) return entry.status();
    if (!*entry) return entries;
    entries.push_back(text_of(**entry));
  }
}

TEST(Snapshot, EntriesComeBackInOrder) {
  const std::vector<std::vector<std::string>> cases = {
      {},
      {""},
      {"one"},
      {"", "two", ""},
      {std::string(kMaxEntryBytes, 'x'), "small", std::string(300'000, 'y')},
      std::vector<std::string>(50'000, "many small ones")};
  for (const std::vector<std::string>& entries : cases) {
    const testing::FaultyDisk disk;
    write_snapshot(disk, entries);
    const Result<std::vector<std::string>> read = read_snapshot(disk);
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(*read, entries);
  }
}

TEST(Snapshot, IsDurableUnderItsNameOnceItIsPublished) {
  const testing::FaultyDisk disk;
  write_snapshot(disk, {"entry"});
  EXPECT_TRUE(read_snapshot(disk.crash(1, {.survives = testing::Survives::kOnlySynced})).ok());
}

TEST(Snapshot, EveryChangedByteIsDamage) {
  const testing::FaultyDisk disk;
  write_snapshot(disk, {"first", "second", std::string(100, 'x')});
  const std::uint64_t size = disk.content(snapshot_name(5))->size();
  for (std::uint64_t byte = 0; byte < size; ++byte) {
    testing::FaultyDisk bad = disk.crash(0, {.survives = testing::Survives::kEverything});
    ASSERT_TRUE(bad.flip_bit(snapshot_name(5), byte * 8 + byte % 8).ok());
    EXPECT_EQ(read_snapshot(bad).code(), Code::kCorruption) << byte;
    ASSERT_TRUE(bad.cut(snapshot_name(5), byte).ok());
    EXPECT_EQ(read_snapshot(bad).code(), Code::kCorruption) << byte;
  }
}

TEST(Snapshot, BlocksThatChangedPlacesAreDamage) {
  const testing::FaultyDisk disk;
  write_snapshot(disk, {std::string(kBlockTargetBytes, 'a'), std::string(kBlockTargetBytes, 'b')});
  const std::string content = *disk.content(snapshot_name(5));
  const std::size_t block = block_header::kSize + 4 + kBlockTargetBytes;
  testing::FaultyDisk swapped;
  swapped.put(snapshot_name(5), content.substr(0, 64) + content.substr(64 + block, block) + content.substr(64, block) +
                                    content.substr(64 + 2 * block));
  EXPECT_EQ(read_snapshot(swapped).code(), Code::kCorruption);
}

TEST(Snapshot, NothingIsLeftOfOneThatIsDiscarded) {
  const testing::FaultyDisk disk;
  const auto directory = disk.directory();
  Result<SnapshotWriter> writer = SnapshotWriter::open(*directory, 5, 100);
  ASSERT_TRUE(writer.ok());
  writer->discard();
  EXPECT_TRUE(disk.names().empty());
}

}  // namespace
}  // namespace flint::storage
