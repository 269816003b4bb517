#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "testing/dice.h"
#include "testing/faulty_file_system.h"
#include "testing/files.h"
#include "testing/page_image.h"
#include "testing/seed.h"

/// The fault model itself: what a power loss may take, and what it may not.
namespace flint::io {
namespace {

using testing::bytes_of;
using testing::Call;
using ::testing::Contains;
using testing::CrashPolicy;
using testing::Dice;
using ::testing::ElementsAre;
using testing::FaultyDisk;
using ::testing::IsEmpty;
using testing::kPageBytes;
using testing::kSectorBytes;
using testing::must;
using testing::Survives;

constexpr std::uint64_t kSeeds = 200;
constexpr CrashPolicy kKilled{Survives::kEverything};
constexpr CrashPolicy kOnlySynced{Survives::kOnlySynced};
constexpr CrashPolicy kRandomPages{Survives::kRandom, true};

/// A disk with one durable file.
struct OneFile {
  explicit OneFile(std::string_view content) {
    disk.put("file", content);
    file = must(directory->open("file", OpenFile::kReadWrite));
  }

  [[nodiscard]] std::string after(std::uint64_t seed, CrashPolicy policy = {}) const {
    return must(disk.crash(seed, policy).content("file"));
  }
  [[nodiscard]] std::set<std::string> everything_possible() const {
    std::set<std::string> contents;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) contents.insert(after(seed));
    return contents;
  }

  FaultyDisk disk;
  std::unique_ptr<Directory> directory = disk.directory();
  std::unique_ptr<File> file;
};

std::string sectors(std::string_view letters) {
  std::string text;
  for (const char letter : letters) text.append(kSectorBytes, letter);
  return text;
}

TEST(PowerLossTest, ASyncedSectorIsNeverLostAndAnUnsyncedOneSometimesIs) {
  OneFile one(sectors("aaaa"));
  ASSERT_TRUE(one.file->write_at(0, bytes_of(sectors("b"))).ok());
  ASSERT_TRUE(one.file->sync().ok());
  ASSERT_TRUE(one.file->write_at(2 * kSectorBytes, bytes_of(sectors("cd"))).ok());
  EXPECT_THAT(one.everything_possible(),
              ElementsAre(sectors("baaa"), sectors("baad"), sectors("baca"), sectors("bacd")));
  EXPECT_EQ(one.after(0, kKilled), sectors("bacd"));
  EXPECT_EQ(one.after(0, kOnlySynced), sectors("baaa"));
}

TEST(PowerLossTest, WholePagesAreNotTorn) {
  OneFile one(std::string(2 * kPageBytes, 'a'));
  ASSERT_TRUE(one.file->write_at(0, bytes_of(std::string(2 * kPageBytes, 'b'))).ok());
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) seen.insert(one.after(seed, kRandomPages));
  const std::string old_page(kPageBytes, 'a');
  const std::string new_page(kPageBytes, 'b');
  EXPECT_THAT(seen, ElementsAre(old_page + old_page, old_page + new_page, new_page + old_page, new_page + new_page));
}

TEST(PowerLossTest, StoresThroughAMapAreLostAndKeptLikeWrites) {
  OneFile one(sectors("aa"));
  const std::span<std::byte> map = must(one.file->map(2 * kSectorBytes));
  std::memset(map.data(), 'b', 2 * kSectorBytes);
  EXPECT_THAT(one.everything_possible(), ElementsAre(sectors("aa"), sectors("ab"), sectors("ba"), sectors("bb")));
  ASSERT_TRUE(one.file->sync().ok());
  EXPECT_THAT(one.everything_possible(), ElementsAre(sectors("bb")));
}

TEST(PowerLossTest, TheSameSeedGivesTheSameDisk) {
  OneFile one(sectors("aaaaaaaa"));
  ASSERT_TRUE(one.file->write_at(0, bytes_of(sectors("bbbbbbbb"))).ok());
  for (std::uint64_t seed = 0; seed < 10; ++seed) EXPECT_EQ(one.after(seed), one.after(seed));
}

TEST(PowerLossTest, WhatACrashLeftIsDurable) {
  OneFile one(sectors("aa"));
  ASSERT_TRUE(one.file->write_at(0, bytes_of(sectors("bb"))).ok());
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const FaultyDisk after = one.disk.crash(seed);
    EXPECT_EQ(must(after.crash(0, kOnlySynced).content("file")), must(after.content("file")));
    EXPECT_EQ(after.call_count(), 0U);
  }
}

TEST(PowerLossTest, SectorsOfAFailedSyncStayLost) {
  OneFile one(sectors("aaa"));
  ASSERT_TRUE(one.file->write_at(0, bytes_of(sectors("bb"))).ok());
  one.disk.fail_call(one.disk.call_count());
  EXPECT_EQ(one.file->sync().code(), Code::kIoError);
  EXPECT_TRUE(one.file->sync().ok()) << "as Linux does: the second sync has nothing to write";
  EXPECT_EQ(one.after(0, kOnlySynced), sectors("aaa"));
  EXPECT_EQ(one.after(0, kKilled), sectors("bba")) << "programs go on seeing what was lost";

  ASSERT_TRUE(one.file->write_at(0, bytes_of(sectors("c"))).ok());
  ASSERT_TRUE(one.file->write_at(2 * kSectorBytes, bytes_of(sectors("c"))).ok());
  ASSERT_TRUE(one.file->sync().ok());
  EXPECT_EQ(one.after(0, kOnlySynced), sectors("cac")) << "only what is changed again is written";
}

TEST(PowerLossTest, AFailedSyncMayHaveWrittenSomeSectors) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    OneFile one(sectors("aa"));
    ASSERT_TRUE(one.file->write_at(0, bytes_of(sectors("bb"))).ok());
    one.disk.fail_every(Call::kSync, {EIO, seed});
    EXPECT_FALSE(one.file->sync().ok());
    one.disk.stop_failing();
    EXPECT_TRUE(one.file->sync().ok());
    seen.insert(one.after(0, kOnlySynced));
  }
  EXPECT_THAT(seen, ElementsAre(sectors("aa"), sectors("ab"), sectors("ba"), sectors("bb")));
}

TEST(PowerLossTest, ALengthOfAFailedSyncStaysLost) {
  OneFile one(sectors("a"));
  ASSERT_TRUE(one.file->write_at(kSectorBytes, bytes_of(sectors("b"))).ok());
  one.disk.fail_call(one.disk.call_count());
  EXPECT_FALSE(one.file->sync().ok());
  ASSERT_TRUE(one.file->write_at(0, bytes_of(sectors("c"))).ok());
  ASSERT_TRUE(one.file->sync().ok());
  EXPECT_EQ(one.after(0, kOnlySynced), sectors("c"));
  ASSERT_TRUE(one.file->write_at(2 * kSectorBytes, bytes_of(sectors("d"))).ok());
  ASSERT_TRUE(one.file->sync().ok());
  EXPECT_EQ(one.after(0, kOnlySynced), sectors("c") + std::string(kSectorBytes, '\0') + sectors("d"));
}

TEST(PowerLossTest, ALostLengthIsNotWrittenByTheKernelLater) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    OneFile one(sectors("a"));
    ASSERT_TRUE(one.file->write_at(kSectorBytes, bytes_of(sectors("b"))).ok());
    one.disk.fail_call(one.disk.call_count());
    EXPECT_FALSE(one.file->sync().ok());
    one.disk.write_back_by_itself(seed);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(one.file->write_at(0, bytes_of(sectors("c"))).ok());
    EXPECT_EQ(one.after(0, kOnlySynced).size(), kSectorBytes);
  }
}

TEST(PowerLossTest, AnUnsyncedAppendIsThereOrNotOrZeros) {
  OneFile one(sectors("a"));
  ASSERT_TRUE(one.file->write_at(kSectorBytes, bytes_of(sectors("b"))).ok());
  EXPECT_THAT(one.everything_possible(),
              ElementsAre(sectors("a"), sectors("a") + std::string(kSectorBytes, '\0'), sectors("ab")));
}

TEST(PowerLossTest, AnUnsyncedAllocationIsThereOrNot) {
  OneFile one("a");
  ASSERT_TRUE(one.file->allocate(10'000).ok());
  EXPECT_THAT(one.everything_possible(), ElementsAre("a", "a" + std::string(9'999, '\0')));
}

TEST(PowerLossTest, WhatATruncationCutOffDoesNotComeBackByAnExtension) {
  OneFile one(sectors("aa"));
  ASSERT_TRUE(one.file->truncate(0).ok());
  ASSERT_TRUE(one.file->write_at(0, bytes_of(sectors("bb"))).ok());
  const std::string zeros(kSectorBytes, '\0');
  const std::set<std::string> possible = {
      "", sectors("aa"), zeros + zeros, zeros + sectors("b"), sectors("b") + zeros, sectors("bb")};
  EXPECT_EQ(one.everything_possible(), possible);
}

TEST(PowerLossTest, ATruncationInsideASectorKeepsWhatIsBeforeIt) {
  OneFile one("0123456789");
  ASSERT_TRUE(one.file->truncate(4).ok());
  EXPECT_THAT(one.everything_possible(), ElementsAre("0123", "0123456789"));
  ASSERT_TRUE(one.file->sync().ok());
  EXPECT_THAT(one.everything_possible(), ElementsAre("0123"));
}

TEST(PowerLossTest, TheKernelMayWriteAtAnyTime) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    OneFile one(sectors("a"));
    one.disk.write_back_by_itself(seed);
    for (const char* version : {"b", "c", "d"}) ASSERT_TRUE(one.file->write_at(0, bytes_of(sectors(version))).ok());
    seen.insert(one.after(0, kOnlySynced));
    ASSERT_TRUE(one.file->sync().ok());
    EXPECT_EQ(one.after(0, kOnlySynced), sectors("d"));
  }
  EXPECT_THAT(seen, ElementsAre(sectors("a"), sectors("b"), sectors("c")));
}

/// Some change to the file, by a call or through a map; in a third of the cases of its length.
void change(File& file, std::span<std::byte> map, Dice& dice) {
  constexpr std::uint64_t kMaxSize = 5 * kPageBytes;
  const std::uint64_t size = must(file.size());
  const auto letter = static_cast<char>('a' + dice.below(4));  // few, so that contents often return to what they were
  const bool whole_sectors = dice.chance(50);
  const std::uint64_t offset = whole_sectors ? dice.below(8) * kSectorBytes : dice.below(kMaxSize);
  const auto length = whole_sectors ? kSectorBytes : static_cast<std::size_t>(1 + dice.below(2000));
  switch (dice.below(6)) {
    case 0:
      ASSERT_TRUE(file.truncate(dice.below(kMaxSize)).ok());
      break;
    case 1:
      ASSERT_TRUE(file.allocate(dice.below(kMaxSize)).ok());
      break;
    case 2:
    case 3:
      ASSERT_TRUE(file.write_at(offset, bytes_of(std::string(length, letter))).ok());
      break;
    default:
      if (offset + length <= std::min<std::uint64_t>(size, map.size())) std::memset(&map[offset], letter, length);
  }
}

TEST(PowerLossTest, AfterASyncEveryCrashShowsWhatWasSeen) {
  Dice dice(testing::test_seed());
  for (int round = 0; round < 100; ++round) {
    OneFile one(std::string(kPageBytes, 'z'));
    if (dice.chance(50)) one.disk.write_back_by_itself(dice.next());
    const std::span<std::byte> map = must(one.file->map(kPageBytes));
    for (int step = 0; step < 40; ++step) {
      change(*one.file, map, dice);
      if (!dice.chance(20)) continue;
      ASSERT_TRUE(one.file->sync().ok());
      const std::string seen = must(one.disk.content("file"));
      ASSERT_EQ(one.after(dice.next(), kOnlySynced), seen);
      ASSERT_EQ(one.after(dice.next()), seen);
      ASSERT_EQ(one.after(dice.next(), kRandomPages), seen);
      ASSERT_EQ(one.after(dice.next(), kKilled), seen);
    }
  }
}

TEST(PowerLossTest, EachByteIsOldOrNewOrZero) {
  Dice dice(testing::test_seed());
  for (int round = 0; round < 100; ++round) {
    OneFile one(std::string(3 * kPageBytes, 'z'));
    std::vector<std::string> versions{must(one.disk.content("file"))};
    for (int step = 0; step < 5; ++step) {
      change(*one.file, {}, dice);
      versions.push_back(must(one.disk.content("file")));
    }
    const std::string after = one.after(dice.next());
    const auto same_size = [&](const std::string& version) { return version.size() == after.size(); };
    ASSERT_TRUE(std::any_of(versions.begin(), versions.end(), same_size));
    for (std::size_t at = 0; at < after.size(); ++at) {
      const auto here = [&](const std::string& version) { return at < version.size() && version[at] == after[at]; };
      ASSERT_TRUE(after[at] == '\0' || here(versions.front()) || here(versions.back())) << at;
    }
  }
}

// --- Names ---

void create(Directory& directory, std::string_view name, std::string_view text) {
  const auto file = must(directory.open(name, OpenFile::kCreateNew));
  ASSERT_TRUE(file->write_at(0, bytes_of(text)).ok());
  ASSERT_TRUE(file->sync().ok());
}

std::set<std::vector<std::string>> possible_names(const FaultyDisk& disk) {
  std::set<std::vector<std::string>> seen;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) seen.insert(disk.crash(seed).names());
  return seen;
}

using Names = std::vector<std::string>;

TEST(PowerLossTest, ANewNameIsDurableOnlyAfterTheDirectorysSync) {
  const FaultyDisk disk;
  const auto directory = disk.directory();
  create(*directory, "file", "synced content");
  EXPECT_THAT(possible_names(disk), ElementsAre(Names{}, Names{"file"}));
  EXPECT_THAT(disk.crash(0, kOnlySynced).names(), IsEmpty());
  EXPECT_THAT(disk.crash(0, kKilled).names(), ElementsAre("file"));
  ASSERT_TRUE(directory->sync().ok());
  EXPECT_THAT(possible_names(disk), ElementsAre(Names{"file"}));
  EXPECT_EQ(must(disk.crash(0, kOnlySynced).content("file")), "synced content");
}

TEST(PowerLossTest, ALockFilesNameIsANameLikeOthers) {
  const FaultyDisk disk;
  const auto lock = must(disk.directory()->lock("lock"));
  EXPECT_THAT(possible_names(disk), ElementsAre(Names{}, Names{"lock"}));
}

TEST(PowerLossTest, ARemovedNameMayComeBackWithItsContent) {
  FaultyDisk disk;
  disk.put("file", "content");
  const auto directory = disk.directory();
  ASSERT_TRUE(directory->remove("file").ok());
  EXPECT_THAT(possible_names(disk), ElementsAre(Names{}, Names{"file"}));
  EXPECT_EQ(must(disk.crash(0, kOnlySynced).content("file")), "content");
  ASSERT_TRUE(directory->sync().ok());
  EXPECT_THAT(possible_names(disk), ElementsAre(Names{}));
}

TEST(PowerLossTest, ARenameShowsTheOldTargetOrTheNewNeverNeither) {
  FaultyDisk disk;
  disk.put("target", "old");
  const auto directory = disk.directory();
  create(*directory, "temporary", "new");
  ASSERT_TRUE(directory->sync().ok());
  ASSERT_TRUE(directory->rename("temporary", "target").ok());
  std::set<std::string> targets;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const FaultyDisk after = disk.crash(seed);
    const std::string target = must(after.content("target"));
    targets.insert(target);
    EXPECT_EQ(after.content("temporary").ok(), target == "old");
  }
  EXPECT_THAT(targets, ElementsAre("new", "old"));
  ASSERT_TRUE(directory->sync().ok());
  EXPECT_EQ(must(disk.crash(0, kOnlySynced).content("target")), "new");
}

TEST(PowerLossTest, ARenamedFileThatWasNotSyncedMayBeEmpty) {
  const FaultyDisk disk;
  const auto directory = disk.directory();
  ASSERT_TRUE(must(directory->open("temporary", OpenFile::kCreateNew))->write_at(0, bytes_of("new")).ok());
  ASSERT_TRUE(directory->rename("temporary", "target").ok());
  ASSERT_TRUE(directory->sync().ok());
  std::set<std::string> targets;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) targets.insert(must(disk.crash(seed).content("target")));
  EXPECT_THAT(targets, ElementsAre("", std::string(3, '\0'), "new"));
}

TEST(PowerLossTest, ChangesOfNamesAreLostOneByOne) {
  FaultyDisk disk;
  disk.put("a", "A");
  disk.put("b", "B");
  const auto directory = disk.directory();
  ASSERT_TRUE(directory->rename("a", "c").ok());
  ASSERT_TRUE(directory->remove("b").ok());
  EXPECT_THAT(possible_names(disk), ElementsAre(Names{"a"}, Names{"a", "b"}, Names{"b", "c"}, Names{"c"}));
}

TEST(PowerLossTest, AFileRenamedTwiceHasOneName) {
  FaultyDisk disk;
  disk.put("a", "A");
  const auto directory = disk.directory();
  ASSERT_TRUE(directory->rename("a", "b").ok());
  ASSERT_TRUE(directory->rename("b", "c").ok());
  EXPECT_THAT(possible_names(disk), ElementsAre(Names{"a"}, Names{"b"}, Names{"c"}));
}

TEST(PowerLossTest, NamesOfAFailedDirectorySyncStayLost) {
  FaultyDisk disk;
  const auto directory = disk.directory();
  create(*directory, "lost", "");
  disk.fail_call(disk.call_count());
  EXPECT_FALSE(directory->sync().ok());
  create(*directory, "kept", "");
  EXPECT_TRUE(directory->sync().ok());
  EXPECT_THAT(disk.crash(0, kOnlySynced).names(), ElementsAre("kept"));
  EXPECT_THAT(disk.crash(0, kKilled).names(), ElementsAre("kept", "lost"));
}

TEST(PowerLossTest, ARecreatedNameIsItsNewFile) {
  FaultyDisk disk;
  disk.put("file", "old");
  const auto directory = disk.directory();
  ASSERT_TRUE(directory->remove("file").ok());
  create(*directory, "file", "new");
  ASSERT_TRUE(directory->sync().ok());
  for (std::uint64_t seed = 0; seed < 20; ++seed) EXPECT_EQ(must(disk.crash(seed).content("file")), "new");
}

TEST(PowerLossTest, AnOpenFileWithoutANameIsGone) {
  FaultyDisk disk;
  disk.put("file", "content");
  const auto directory = disk.directory();
  const auto file = must(directory->open("file", OpenFile::kReadWrite));
  ASSERT_TRUE(directory->remove("file").ok());
  ASSERT_TRUE(directory->sync().ok());
  ASSERT_TRUE(file->sync().ok());
  EXPECT_THAT(disk.crash(0, kKilled).names(), IsEmpty());
}

}  // namespace
}  // namespace flint::io
