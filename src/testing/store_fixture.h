#pragma once

#include <algorithm>
#include <memory>

#include "storage/files.h"
#include "storage/log_reader.h"
#include "testing/test_store.h"

/// A store on a faulty disk, and what is in its files, for tests.
namespace flint::testing {

/// Syncs of the log; the manifest's are not among them.
inline std::size_t log_syncs(const FaultyDisk& disk) {
  const std::vector<CallRecord> calls = disk.calls();
  return static_cast<std::size_t>(std::count_if(calls.begin(), calls.end(), [](const CallRecord& made) {
    return made.call == Call::kSync && made.name.starts_with("log-");
  }));
}

inline std::size_t count_files(const FaultyDisk& disk, storage::FileKind kind) {
  const std::vector<std::string> names = disk.names();
  return static_cast<std::size_t>(std::count_if(
      names.begin(), names.end(), [kind](const auto& name) { return storage::classify(name).kind == kind; }));
}

inline std::vector<storage::RecordKind> kinds_in(const FaultyDisk& disk, std::uint64_t segment) {
  const auto directory = disk.directory();
  Result<storage::SegmentReader> reader = storage::SegmentReader::open(*directory, segment);
  std::vector<storage::RecordKind> kinds;
  while (const std::optional<storage::ParsedRecord> parsed = *reader->next()) kinds.push_back(parsed->record.kind);
  return kinds;
}

inline constexpr auto kSeal = static_cast<storage::RecordKind>(storage::StoreKind::kSeal);
inline constexpr auto kCleanClose = static_cast<storage::RecordKind>(storage::StoreKind::kCleanClose);

class StoreTest : public ::testing::Test {
 protected:
  TestStore& open(const storage::StoreOptions& options = tiny_options()) {
    store_.reset();
    store_ = std::make_unique<TestStore>(disk_, options);
    const Status opened = store_->open();
    EXPECT_TRUE(opened.ok()) << opened.message();
    return *store_;
  }
  void kill() { store_.reset(); }

  FaultyDisk disk_;
  History history_;
  std::unique_ptr<TestStore> store_;
};

}  // namespace flint::testing
