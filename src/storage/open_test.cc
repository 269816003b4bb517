#include <unistd.h>

#include <algorithm>

#include "storage/format.h"
#include "storage/manifest.h"
#include "storage/repair.h"
#include "testing/store_fixture.h"

/// Opens: what they find, what they change, whom they let in.
namespace flint::storage {
namespace {

using testing::bytes_of;
using testing::Call;
using testing::count_files;
using testing::FaultyDisk;
using testing::kCleanClose;
using testing::kinds_in;
using testing::Records;
using testing::StoreTest;
using testing::TestOwner;
using testing::TestStore;
using testing::tiny_options;

TEST_F(StoreTest, AThousandOpensThatCloseMakeNoThousandSegments) {
  StoreOptions options;
  options.background = false;
  for (int i = 0; i < 100; ++i) {
    TestStore& store = open(options);
    ASSERT_EQ(store.owner.records, history_.appended);
    ASSERT_TRUE(store.append(history_, "one command").ok());
    ASSERT_TRUE(store->close().ok());
  }
  EXPECT_EQ(count_files(disk_, FileKind::kSegment), 1U);
  EXPECT_LT(disk_.used_bytes(), 32'768U) << "what was reserved is given back";
}

TEST_F(StoreTest, AThousandOpensThatAreKilledAreCompactedAway) {
  for (int i = 0; i < 200; ++i) {
    TestStore& store = open();
    ASSERT_TRUE(store.append(history_, "one command").ok());
    ASSERT_TRUE(store->tick().ok());
    kill();
  }
  EXPECT_LT(count_files(disk_, FileKind::kSegment), 140U);
  EXPECT_EQ(open().owner.records, history_.appended);
}

TEST_F(StoreTest, AnOpenAfterACleanCloseWritesNothing) {
  TestStore& store = open();
  ASSERT_TRUE(store.append(history_, "one").ok());
  ASSERT_TRUE(store->close().ok());
  const std::uint64_t calls = disk_.call_count();
  TestStore& again = open();
  EXPECT_EQ(disk_.call_count(), calls + 1);
  EXPECT_EQ(disk_.calls().back().call, Call::kDescribeHolder);
  ASSERT_TRUE(again->close().ok());
  EXPECT_EQ(disk_.call_count(), calls + 1) << "nor does closing it again";
}

TEST_F(StoreTest, ACleanCloseIsMarkedAndAnOldTailIsNeverAppendedTo) {
  TestStore& store = open();
  ASSERT_TRUE(store.append(history_, "one").ok());
  ASSERT_TRUE(store->close().ok());
  EXPECT_EQ(kinds_in(disk_, 1), (std::vector<RecordKind>{1, kCleanClose}));
  ASSERT_TRUE(open().append(history_, "two").ok());
  EXPECT_EQ(kinds_in(disk_, 1), (std::vector<RecordKind>{1, kCleanClose, 1})) << "the same segment goes on";
  kill();
  ASSERT_TRUE(open().append(history_, "three").ok());
  EXPECT_EQ(kinds_in(disk_, 1), (std::vector<RecordKind>{1, kCleanClose})) << "what is written again is cut off";
  EXPECT_EQ(kinds_in(disk_, 2), (std::vector<RecordKind>{1, 1})) << "what the kill left unproven, and the next one";
}

/// On a full disk, a store that had been copied with cp or a backup stopped its process (SIGBUS): the copy of a segment
/// has holes where records are to go, and was mapped as it was.
TEST_F(StoreTest, ASegmentThatIsOpenedAgainHasItsRoomReservedBeforeItIsMapped) {
  open();
  kill();
  TestStore& store = open();
  const std::size_t before = disk_.calls().size();
  ASSERT_TRUE(store.append(history_, "one").ok());
  const std::vector<testing::CallRecord> calls = disk_.calls();
  const std::vector<testing::CallRecord> expected = {{Call::kAllocate, segment_name(1)}, {Call::kMap, segment_name(1)}};
  EXPECT_EQ(std::vector(calls.begin() + static_cast<std::ptrdiff_t>(before), calls.end()), expected);
}

/// Somebody who tidied up *.tmp stopped the store: the spare file of the next segment was gone.
TEST_F(StoreTest, ASpareFileThatSomebodyRemovedIsMadeAnew) {
  TestStore& store = open();
  ASSERT_TRUE(store.append(history_, "one").ok());
  ASSERT_TRUE(store->tick().ok());
  ASSERT_TRUE(disk_.directory()->remove("log-next.tmp").ok());
  for (int i = 0; i < 30; ++i) {
    const Status appended = store.append(history_, std::string(100, 'x'));
    ASSERT_TRUE(appended.ok()) << appended.message();
  }
  ASSERT_TRUE(store.wait(history_).ok());
  EXPECT_GT(count_files(disk_, FileKind::kSegment), 1U);
  kill();
  EXPECT_EQ(open().owner.records, history_.appended);
}

/// A restored or copied file under the name of the spare became the next segment: the store failed at its next commit,
/// and the directory did not open any more.
TEST_F(StoreTest, ASpareFileThatSomebodyReplacedIsMadeAnew) {
  TestStore& store = open();
  ASSERT_TRUE(store.append(history_, "one").ok());
  ASSERT_TRUE(store->tick().ok());
  ASSERT_TRUE(disk_.directory()->remove("log-next.tmp").ok());
  disk_.put("log-next.tmp", "somebody else's");
  for (int i = 0; i < 30; ++i) {
    const Status appended = store.append(history_, std::string(100, 'x'));
    ASSERT_TRUE(appended.ok()) << appended.message();
  }
  ASSERT_TRUE(store.wait(history_).ok());
  EXPECT_GT(count_files(disk_, FileKind::kSegment), 1U);
  kill();
  EXPECT_EQ(open().owner.records, history_.appended);
}

TEST_F(StoreTest, ATornTailIsCopiedAsideAndReported) {
  TestStore& store = open();
  ASSERT_TRUE(store.append(history_, "one").ok());
  ASSERT_TRUE(store.wait(history_).ok());
  kill();
  ASSERT_TRUE(disk_.overwrite(segment_name(1), file_header::kSize + record_bytes(3), "half a record").ok());
  TestStore& again = open();
  EXPECT_EQ(again.owner.records, history_.appended);
  EXPECT_EQ(*disk_.content(tail_name(1, file_header::kSize + record_bytes(3))), std::string("half a record\0\0\0", 16));
  ASSERT_EQ(again->findings().size(), 1U);
  EXPECT_FALSE(again->findings()[0].fatal);
  EXPECT_NE(again->findings()[0].message.find("tail-000000000001-88"), std::string::npos)
      << again->findings()[0].message;
  ASSERT_TRUE(again->close().ok());
  EXPECT_TRUE(open()->findings().empty()) << "it is history now";
}

TEST_F(StoreTest, LeftoversAreRemovedByTheNextOpenAndOtherFilesAreNot) {
  ASSERT_TRUE(open()->close().ok());
  disk_.put("snapshot-000000000009.fsnap", "never named by a manifest");
  disk_.put("manifest.tmp", "half");
  disk_.put("log-next.tmp", "");
  disk_.put("tail-000000000001-88", "a copy");
  disk_.put("repair-1-manifest", "a copy");
  disk_.put("notes.tmp", "somebody else's");
  ASSERT_TRUE(open()->close().ok());
  EXPECT_EQ(disk_.names(), (std::vector<std::string>{"flint.lock", "log-000000000001.flog", "manifest", "notes.tmp",
                                                     "repair-1-manifest", "tail-000000000001-88"}));
}

TEST_F(StoreTest, TheLockSaysWhoHoldsIt) {
  StoreOptions options = tiny_options();
  options.holder = "http://127.0.0.1:7878";
  open(options);
  TestStore second(disk_, tiny_options());
  const std::vector<std::string> before = disk_.names();
  const Status locked = second.open();
  EXPECT_EQ(locked.code(), Code::kDataDirLocked);
  EXPECT_NE(locked.message().find(std::to_string(::getpid())), std::string::npos) << locked.message();
  EXPECT_NE(locked.message().find("http://127.0.0.1:7878"), std::string::npos) << locked.message();
  EXPECT_EQ(locked.holder(), (LockHolder{::getpid(), true}));
  EXPECT_EQ(disk_.names(), before);
}

/// While somebody only read the directory of a server that had been killed, who wanted to write was sent to that
/// server.
TEST_F(StoreTest, AReaderIsNotTakenForTheWriterBeforeIt) {
  StoreOptions options = tiny_options();
  options.holder = "http://127.0.0.1:7878";
  ASSERT_TRUE(open(options).append(history_, "one").ok());
  kill();
  StoreOptions reading = tiny_options();
  reading.read_only = true;
  TestStore reader(disk_, reading);
  ASSERT_TRUE(reader.open().ok());
  TestStore writer(disk_, tiny_options());
  const Status locked = writer.open();
  EXPECT_EQ(locked.code(), Code::kDataDirLocked);
  EXPECT_EQ(locked.message().find("7878"), std::string::npos) << locked.message();
}

TEST_F(StoreTest, ANetworkFileSystemNeedsToBeAllowed) {
  testing::FaultyOptions nfs;
  nfs.kind = {"nfs", true, false};
  const FaultyDisk disk(nfs);
  StoreOptions options = tiny_options();
  TestStore refused(disk, options);
  EXPECT_EQ(refused.open().code(), Code::kPermission);
  EXPECT_TRUE(disk.names().empty());
  options.allow_network_file_system = true;
  TestStore allowed(disk, options);
  EXPECT_TRUE(allowed.open().ok());
}

// A directory on FUSE was opened without a word, though a program far away may keep it.
TEST_F(StoreTest, AFileSystemOfWhichLittleIsKnownIsReported) {
  testing::FaultyOptions fuse;
  fuse.kind = {.name = "fuse", .uncertain = true};
  const FaultyDisk disk(fuse);
  TestStore store(disk, tiny_options());
  ASSERT_TRUE(store.open().ok());
  ASSERT_EQ(store->findings().size(), 1U);
  EXPECT_FALSE(store->findings()[0].fatal);
  EXPECT_NE(store->findings()[0].message.find("/faulty is on a file system (fuse)"), std::string::npos)
      << store->findings()[0].message;
}

class ReadOnlyTest : public StoreTest {
 protected:
  static StoreOptions read_only() {
    StoreOptions options = tiny_options();
    options.read_only = true;
    return options;
  }
};

TEST_F(ReadOnlyTest, NothingIsCreatedWhereThereIsNothing) {
  TestStore store(disk_, read_only());
  EXPECT_EQ(store.open().code(), Code::kNotFound);
  EXPECT_TRUE(disk_.names().empty());
}

TEST_F(ReadOnlyTest, ShowsAnUncleanStoreAndWritesNothing) {
  ASSERT_TRUE(open().append(history_, "one").ok());
  kill();
  ASSERT_TRUE(disk_.overwrite(segment_name(1), file_header::kSize + record_bytes(3), "half a record").ok());
  disk_.put("manifest.tmp", "a leftover");
  const std::uint64_t calls = disk_.call_count();
  TestStore& store = open(read_only());
  EXPECT_EQ(store.owner.records, history_.appended);
  EXPECT_EQ(store.append(history_, "two").code(), Code::kPermission);
  EXPECT_EQ(store->compact().code(), Code::kPermission);
  int visits = 0;
  EXPECT_TRUE(store->read_log([&](const Record&) { return ++visits > 0; }, [] {}).ok());
  EXPECT_EQ(visits, 1);
  EXPECT_TRUE(store->close().ok());
  EXPECT_EQ(disk_.call_count(), calls);
}

TEST_F(ReadOnlyTest, KeepsWritersOutAndIsKeptOut) {
  ASSERT_TRUE(open()->close().ok());
  TestStore reader(disk_, read_only());
  ASSERT_TRUE(reader.open().ok());
  TestStore second(disk_, read_only());
  EXPECT_TRUE(second.open().ok());
  TestStore writer(disk_, tiny_options());
  EXPECT_EQ(writer.open().code(), Code::kDataDirLocked);
  ASSERT_TRUE(reader->close().ok());
  ASSERT_TRUE(second->close().ok());
  ASSERT_TRUE(writer.open().ok());
  TestStore third(disk_, read_only());
  EXPECT_EQ(third.open().code(), Code::kDataDirLocked);
}

TEST_F(StoreTest, WhatTheOwnerRefusesIsReportedWithItsPlace) {
  TestStore& store = open();
  {
    base::MutexLock lock(store.owner.mutex);
    ASSERT_TRUE(store->append(2, bytes_of("of a kind that the owner does not know")).ok());
  }
  kill();
  TestStore again(disk_, tiny_options());
  const Status refused = again.open();
  EXPECT_EQ(refused.code(), Code::kUnsupportedFormat);
  EXPECT_NE(refused.message().find("log-000000000001.flog at offset 64"), std::string::npos) << refused.message();
}

TEST_F(StoreTest, AnUnknownVersionIsRefusedAndNothingIsTouched) {
  TestStore& store = open();
  ASSERT_TRUE(store.append(history_, "one").ok());
  kill();
  std::string content = *disk_.content(segment_name(1));
  content[file_header::kVersion] = kFormatVersion + 1;
  base::store_fixed(reinterpret_cast<std::byte*>(content.data()) + file_header::kChecksum,
                    checksum(bytes_of(content).first(file_header::kChecksum), 0));
  disk_.put(segment_name(1), content);
  const std::uint64_t calls = disk_.call_count();
  TestStore again(disk_, tiny_options());
  EXPECT_EQ(again.open().code(), Code::kUnsupportedFormat);
  const auto directory = disk_.directory();
  TestOwner scratch;
  EXPECT_EQ(repair(*directory, scratch).code(), Code::kUnsupportedFormat);
  EXPECT_EQ(disk_.call_count(), calls);
}

}  // namespace
}  // namespace flint::storage
