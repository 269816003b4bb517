#include "storage/inspect.h"

#include <algorithm>
#include <filesystem>

#include "io/posix_file_system.h"
#include "storage/files.h"
#include "storage/log_format.h"
#include "testing/files.h"
#include "testing/test_store.h"

/// What an inspection says of a directory that others use, or that is only partly a store. That it copes with any
/// damage is in damage_test.cc.
namespace flint::storage {
namespace {

using testing::FaultyDisk;
using testing::History;
using testing::TestOwner;
using testing::TestStore;
using testing::tiny_options;

class InspectTest : public ::testing::Test {
 protected:
  void SetUp() override {
    TestStore store(disk_, tiny_options());
    ASSERT_TRUE(store.open().ok());
    for (int i = 0; i < 9; ++i) ASSERT_TRUE(store.append(history_, "record").ok());
    ASSERT_TRUE(store->close().ok());
  }

  FaultyDisk disk_;
  History history_;
};

/// Changes the file before each of the first readings, and each time in another place, as a busy writer may seem to.
class BusyWriter final : public Owner {
 public:
  BusyWriter(FaultyDisk disk, std::uint64_t readings) : disk_(std::move(disk)), readings_(readings) {}

  void clear() override {
    if (begun_ > 0 && begun_ <= readings_) flip(begun_);
    if (begun_ < readings_) flip(begun_ + 1);
    ++begun_;
  }
  Status load(std::span<const std::byte>, Seq) override { return {}; }
  Status replay(const Record&) override { return {}; }
  void begin_snapshot() override {}
  bool next_entries(const std::function<void(std::span<const std::byte>)>&) override { return false; }
  Status on_tick() override { return {}; }

 private:
  void flip(std::uint64_t record) {
    ASSERT_TRUE(disk_.flip_bit(segment_name(1), 8 * (file_header::kSize + record * record_bytes(6))).ok());
  }

  FaultyDisk disk_;
  std::uint64_t readings_;
  std::uint64_t begun_ = 0;
};

/// Under a busy writer the inspection of a sound directory called it damaged now and then.
TEST_F(InspectTest, WhatIsDamagedInAnotherPlaceEachTimeIsAWriterAtWork) {
  BusyWriter state(disk_, 6);
  const Result<DoctorReport> report = inspect(*disk_.directory(), state);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->ok) << report->findings[0].message;
}

TEST_F(InspectTest, DamageThatStaysIsReported) {
  BusyWriter state(disk_, 1);
  state.clear();
  TestOwner scratch;
  const Result<DoctorReport> report = inspect(*disk_.directory(), scratch);
  ASSERT_TRUE(report.ok());
  EXPECT_FALSE(report->ok);
}

/// A lock file that cannot be one let no command write, and the doctor found the directory sound.
TEST_F(InspectTest, ALockFileThatCannotBeOpenedIsDamage) {
  testing::FaultyOptions options;
  options.count_reads = true;
  FaultyDisk disk(options);
  for (const std::string& name : disk_.names()) disk.put(name, *disk_.content(name));
  TestOwner scratch;
  ASSERT_TRUE(inspect(*disk.directory(), scratch)->ok);
  const std::vector<testing::CallRecord> calls = disk.calls();
  const auto opens_lock = [](const testing::CallRecord& call) {
    return call.call == testing::Call::kOpen && call.name == kLockName;
  };
  const auto first = std::find_if(calls.begin(), calls.end(), opens_lock);
  ASSERT_NE(first, calls.end());
  disk.fail_every(testing::Call::kOpen, {.error = ELOOP, .partly = std::nullopt});
  const Result<DoctorReport> report = inspect(*disk.directory(), scratch);
  ASSERT_TRUE(report.ok());
  EXPECT_FALSE(report->ok);
  const auto names_lock = [](const Finding& finding) { return finding.message.find(kLockName) != std::string::npos; };
  EXPECT_TRUE(std::any_of(report->findings.begin(), report->findings.end(), names_lock));
}

// Symptom: `flint doctor` said "sound" of a directory in which every change failed: manifest.tmp was a directory.
TEST(Inspect, ADirectoryWhereTemporaryFilesAreWrittenIsTold) {
  const testing::TemporaryDirectory place;
  const auto directory = testing::must(io::open_posix_directory(place.path(), io::OpenDirectory::kMustExist));
  TestOwner scratch;
  {
    TestOwner owner;
    const auto store = testing::must(Store::open(*directory, owner, owner.mutex, tiny_options()));
    ASSERT_TRUE(store->close().ok());
  }
  EXPECT_TRUE(testing::must(inspect(*directory, scratch)).ok);
  for (const std::string& name : {temporary_name(kManifestName), temporary_name(segment_name(7))}) {
    std::filesystem::create_directory(place.path_of(name));
    const DoctorReport report = testing::must(inspect(*directory, scratch));
    EXPECT_FALSE(report.ok);
    const auto names_it = [&name](const Finding& found) { return found.message.find(name) != std::string::npos; };
    const auto finding = std::find_if(report.findings.begin(), report.findings.end(), names_it);
    ASSERT_NE(finding, report.findings.end());
    EXPECT_FALSE(finding->fatal) << "it opens";
    std::filesystem::remove(place.path_of(name));
  }
  EXPECT_TRUE(testing::must(inspect(*directory, scratch)).ok);
}

// Symptom: the log of an open said that a directory is on FUSE or in memory, and `flint doctor` called it sound.
TEST(Inspect, WhatTheFileSystemMayNotKeepIsTold) {
  const std::pair<io::FileSystemKind, const char*> kinds[] = {
      {{.name = "fuse", .uncertain = true}, "is on a file system (fuse) that may not keep"},
      {{.name = "nfs", .network = true}, "is on a network file system (nfs), whose locks"},
      {{.name = "tmpfs", .volatile_ = true}, "is on tmpfs: nothing there outlives the machine"}};
  for (const auto& [kind, words] : kinds) {
    testing::FaultyOptions place;
    place.kind = kind;
    const FaultyDisk disk(place);
    StoreOptions options = tiny_options();
    options.allow_network_file_system = true;
    TestStore store(disk, options);
    ASSERT_TRUE(store.open().ok());
    TestOwner scratch;
    const DoctorReport report = testing::must(inspect(*disk.directory(), scratch));
    EXPECT_TRUE(report.ok) << "it opens, and nothing was lost";
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_FALSE(report.findings.front().fatal);
    EXPECT_NE(report.findings.front().message.find(words), std::string::npos) << report.findings.front().message;
    ASSERT_EQ(store->findings().size(), 1U);
    EXPECT_EQ(store->findings().front().message, report.findings.front().message);
  }
}

// Symptom: the command that a message about damage tells to run named another directory when the path had a blank.
TEST(Inspect, TheCommandsOfAMessageCanBePasted) {
  const std::pair<std::string, std::string> paths[] = {{"/var/lib/flint-1", "--data-dir /var/lib/flint-1 doctor"},
                                                       {"/a b/it's", R"(--data-dir '/a b/it'\''s' doctor)"},
                                                       {"$HOME", "--data-dir '$HOME' doctor"}};
  for (const auto& [path, command] : paths) {
    FaultyDisk disk({.path = path});
    disk.put(kManifestName, "no manifest");
    TestOwner scratch;
    const DoctorReport report = testing::must(inspect(*disk.directory(), scratch));
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_NE(report.findings.front().message.find(command), std::string::npos) << report.findings.front().message;
  }
}

}  // namespace
}  // namespace flint::storage
