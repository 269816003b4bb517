#include <filesystem>
#include <fstream>

#include "io/posix_file_system.h"
#include "storage/files.h"
#include "storage/format.h"
#include "storage/inspect.h"
#include "storage/log_reader.h"
#include "storage/manifest.h"
#include "storage/repair.h"
#include "testing/files.h"
#include "testing/test_store.h"

/// Files that are mostly holes: a directory that somebody made by hand can claim a terabyte and store a few pages of
/// it. Work and copies are bounded by what is stored.
namespace flint::storage {
namespace {

using testing::bytes_of;
using testing::History;
using testing::Records;
using testing::TestOwner;
using testing::TestStore;
using testing::text_of;
using testing::tiny_options;

/// Where a file system knows holes, the real size; else what it can store.
constexpr std::uint64_t kTerabyte = std::uint64_t{1} << 40;
constexpr std::uint64_t kLittle = std::uint64_t{1} << 20;

/// A directory of the operating system's, in which a store has lived that was killed.
class SparseFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::must(io::open_posix_directory(place_.path(), io::OpenDirectory::kMustExist));
    Result<std::unique_ptr<Store>> store = Store::open(*directory_, owner_, owner_.mutex, tiny_options());
    ASSERT_TRUE(store.ok()) << store.status().message();
    for (int i = 0; i < 5; ++i) append(**store);
    ASSERT_TRUE((*store)->compact().ok());
    append(**store);
    ASSERT_TRUE((*store)->wait((*store)->last_seq()).ok());
    store->reset();
    expected_ = owner_.records;
    last_ = testing::must(list_segments()).back();
  }

  void append(Store& store) {
    base::MutexLock lock(owner_.mutex);
    const Result<Seq> seq = store.append(1, bytes_of("record"));
    ASSERT_TRUE(seq.ok());
    owner_.records[*seq] = "record";
  }
  Result<std::vector<std::uint64_t>> list_segments() {
    const Result<std::vector<std::string>> names = directory_->list();
    if (!names.ok()) return names.status();
    std::vector<std::uint64_t> numbers;
    for (const std::string& name : *names) {
      if (classify(name).kind == FileKind::kSegment) numbers.push_back(classify(name).number);
    }
    return numbers;
  }
  std::unique_ptr<io::File> file(const std::string& name) {
    return testing::must(directory_->open(name, io::OpenFile::kReadWrite));
  }
  /// A size that this file system can have in holes.
  std::uint64_t size_of_a_hole() {
    const auto file = testing::must(directory_->open("probe", io::OpenFile::kCreateNew));
    const bool is_long = file->truncate(kTerabyte).ok();
    const bool knows_holes = is_long && testing::must(file->next_data(0)) == kTerabyte;
    EXPECT_TRUE(directory_->remove("probe").ok());
    return knows_holes ? kTerabyte : kLittle;
  }
  /// The head of a segment says another size.
  void claim(std::uint64_t number, std::uint64_t bytes) {
    FileHeader head = testing::must(SegmentReader::open(*directory_, number)).header();
    head.bytes = bytes;
    ASSERT_TRUE(file(segment_name(number))->write_at(0, encode_header(kSegmentMagic, head)).ok());
  }
  /// What all files take on the disk.
  std::uint64_t stored_bytes() {
    std::uint64_t sum = 0;
    for (const auto& entry : std::filesystem::directory_iterator(place_.path())) {
      struct stat status {};
      EXPECT_EQ(::stat(entry.path().c_str(), &status), 0);
      sum += static_cast<std::uint64_t>(status.st_blocks) * 512;
    }
    return sum;
  }
  void expect_opens() {
    Result<std::unique_ptr<Store>> store = Store::open(*directory_, owner_, owner_.mutex, tiny_options());
    ASSERT_TRUE(store.ok()) << store.status().message();
    EXPECT_EQ(owner_.records, expected_);
    append(**store);
    ASSERT_TRUE((*store)->close().ok());
  }

  testing::TemporaryDirectory place_;
  std::unique_ptr<io::Directory> directory_;
  TestOwner owner_;
  Records expected_;
  std::uint64_t last_ = 0;
};

// The doctor, a repair, every open and every command were busy for as long as a terabyte takes to read.
TEST_F(SparseFileTest, ASegmentThatClaimsATerabyteAndHasIt) {
  const std::uint64_t size = size_of_a_hole();
  ASSERT_TRUE(file(segment_name(last_))->truncate(size).ok());
  claim(last_, size);
  TestOwner scratch;
  const Result<DoctorReport> report = inspect(*directory_, scratch);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->ok);
  expect_opens();
}

// The copy of the tail was to be read into memory at once: the process ended.
TEST_F(SparseFileTest, ATailWithATerabyteOfHolesIsCopiedAsItIsStored) {
  const std::uint64_t size = size_of_a_hole();
  claim(last_, size);
  ASSERT_TRUE(file(segment_name(last_))->write_at(size - 5, bytes_of("a tail")).ok());
  ASSERT_TRUE(file(segment_name(last_))->write_at(size / 2, bytes_of("a tail")).ok());
  const std::uint64_t before = stored_bytes();
  expect_opens();
  EXPECT_LT(stored_bytes(), before + (4 << 20));
}

TEST_F(SparseFileTest, ARepairCopiesWhatIsStored) {
  const std::uint64_t size = size_of_a_hole();
  ASSERT_TRUE(file(segment_name(last_))->truncate(size).ok());
  claim(last_, size);
  ASSERT_TRUE(file(snapshot_name(1))->truncate(size).ok());
  ASSERT_TRUE(file(kManifestName.data())->write_at(30, bytes_of("damage")).ok());
  const std::uint64_t before = stored_bytes();
  TestOwner scratch;
  const Result<DoctorReport> report = repair(*directory_, scratch);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_LT(stored_bytes(), before + (8 << 20));
  expect_opens();
}

// A clean close could claim a size that no disk has: each append asked for it, and every check was 507.
TEST_F(SparseFileTest, ASegmentLargerThanSegmentsAreIsNotAppendedTo) {
  expect_opens();
  const std::uint64_t last = testing::must(list_segments()).back();
  claim(last, kMaxSegmentBytes);
  expected_ = owner_.records;
  expect_opens();
  EXPECT_GT(testing::must(list_segments()).back(), last);
}

/// The same by the number of calls, whatever the file system of the temporary directory: one file of 32 MiB without
/// anything behind its head took 128 reads.
TEST(SparseFile, HolesAreNotRead) {
  constexpr std::uint64_t kSize = std::uint64_t{32} << 20;
  testing::FaultyOptions options;
  options.count_reads = true;
  testing::FaultyDisk disk(options);
  std::string content = text_of(encode_header(kSegmentMagic, {.file_id = 42, .number = 3, .seq = 10, .bytes = kSize}));
  content.resize(kSize);
  content[kSize / 2] = 'x';
  disk.put(segment_name(3), content);
  const auto directory = disk.directory();
  Result<SegmentReader> reader = SegmentReader::open(*directory, 3);
  ASSERT_TRUE(reader.ok());
  EXPECT_FALSE(reader->next()->has_value());
  const std::uint64_t before = disk.call_count();
  EXPECT_EQ(reader->examine_rest()->nonzero_end, kSize / 2 + kRecordAlignment);
  EXPECT_LT(disk.call_count() - before, 12U);

  const std::unique_ptr<io::File> from = testing::must(directory->open(segment_name(3), io::OpenFile::kRead));
  const std::unique_ptr<io::File> to = testing::must(directory->open("copy", io::OpenFile::kCreateNew));
  const std::uint64_t before_copy = disk.call_count();
  EXPECT_EQ(testing::must(copy_bytes(*from, 16, UINT64_MAX, *to)), kSize - 16);
  EXPECT_LT(disk.call_count() - before_copy, 12U);
  EXPECT_EQ(*disk.content("copy"), content.substr(16));
}

/// Written piece by piece, a copy that a crash cut short could look whole.
TEST(SparseFile, ACopyOfATailIsWholeOrNotThereAfterACrash) {
  StoreOptions options = tiny_options();
  options.first_segment_bytes = options.max_segment_bytes = 64 << 10;
  testing::FaultyDisk disk;
  History history;
  {
    TestStore store(disk, options);
    ASSERT_TRUE(store.open().ok());
    ASSERT_TRUE(store.append(history, "record").ok());
    ASSERT_TRUE(store.wait(history).ok());
  }
  ASSERT_TRUE(disk.overwrite(segment_name(1), 20'000, "tail").ok());
  ASSERT_TRUE(disk.overwrite(segment_name(1), 60'000, "tail").ok());
  const std::size_t used = file_header::kSize + record_bytes(6);
  const std::string tail = disk.content(segment_name(1))->substr(used, 60'000 + 8 - used);
  bool died = true;
  int copies = 0;
  for (std::uint64_t call = 0; died; ++call) {
    testing::FaultyDisk dying = disk.crash(1);
    dying.die_at(call);
    static_cast<void>(TestStore(dying, options).open());
    died = dying.died();
    const testing::FaultyDisk found = dying.crash(call, {.survives = testing::Survives::kOnlySynced});
    for (const std::string& name : found.names()) {
      if (classify(name).kind != FileKind::kTail) continue;
      ++copies;
      EXPECT_EQ(name, tail_name(1, used));
      EXPECT_TRUE(*found.content(name) == tail) << "call " << call;
    }
    TestStore store(found, options);
    ASSERT_TRUE(store.open().ok()) << "call " << call;
    EXPECT_EQ(store.owner.records, history.appended) << "call " << call;
  }
  EXPECT_GT(copies, 0);
}

/// Half a second for each megabyte that was made for it: at each place the head of a long record.
TEST(SparseFile, BytesThatLookLikeHeadsAllOverAreDamage) {
  // As a head, wherever it begins: 0xf000 bytes of payload, kind 1, no flags, itself as the number, and some lag.
  constexpr std::uint64_t kWord = 0x0001f00000001000;
  constexpr std::uint64_t kSize = std::uint64_t{4} << 20;
  std::string content =
      text_of(encode_header(kSegmentMagic, {.file_id = 42, .number = 3, .seq = kWord - 16, .bytes = kSize}));
  content.resize(kSize);
  for (std::size_t at = 4096; at + 8 <= kSize; at += 8) {
    base::store_fixed(reinterpret_cast<std::byte*>(content.data()) + at, kWord);
  }
  testing::FaultyDisk disk;
  disk.put(segment_name(3), content);
  const auto directory = disk.directory();
  Result<SegmentReader> reader = SegmentReader::open(*directory, 3);
  ASSERT_TRUE(reader.ok());
  EXPECT_FALSE(reader->next()->has_value());
  EXPECT_EQ(reader->examine_rest().code(), Code::kCorruption);
}

}  // namespace
}  // namespace flint::storage
