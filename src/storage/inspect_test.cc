#include <algorithm>

#include "storage/file_names.h"
#include "storage/log_format.h"
#include "storage/test_support.h"

/// What an inspection says of a directory that others use, or that is only partly a store. That it copes with any
/// damage is in damage_test.cc.
namespace flint::storage {
namespace {

using io::FaultyDisk;

class InspectTest : public testing::Test {
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
class BusyWriter final : public StateMachine {
 public:
  BusyWriter(FaultyDisk disk, std::uint64_t readings) : disk_(std::move(disk)), readings_(readings) {}

  void clear() override {
    if (begun_ > 0 && begun_ <= readings_) flip(begun_);
    if (begun_ < readings_) flip(begun_ + 1);
    ++begun_;
  }
  Status load(std::span<const std::byte>) override { return {}; }
  Status replay(const Record&) override { return {}; }
  void begin_snapshot() override {}
  bool next_entries(base::Mutex&, const std::function<void(std::span<const std::byte>)>&) override { return false; }
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
  io::FaultyOptions options;
  options.count_reads = true;
  FaultyDisk disk(options);
  for (const std::string& name : disk_.names()) disk.put(name, *disk_.content(name));
  TestOwner scratch;
  ASSERT_TRUE(inspect(*disk.directory(), scratch)->ok);
  const std::vector<io::CallRecord> calls = disk.calls();
  const auto opens_lock = [](const io::CallRecord& call) {
    return call.call == io::Call::kOpen && call.name == kLockName;
  };
  const auto first = std::find_if(calls.begin(), calls.end(), opens_lock);
  ASSERT_NE(first, calls.end());
  disk.fail_every(io::Call::kOpen, {.error = ELOOP, .partly = std::nullopt});
  const Result<DoctorReport> report = inspect(*disk.directory(), scratch);
  ASSERT_TRUE(report.ok());
  EXPECT_FALSE(report->ok);
  const auto names_lock = [](const Finding& finding) { return finding.message.find(kLockName) != std::string::npos; };
  EXPECT_TRUE(std::any_of(report->findings.begin(), report->findings.end(), names_lock));
}

}  // namespace
}  // namespace flint::storage
