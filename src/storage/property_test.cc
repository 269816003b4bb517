#include "storage/files.h"
#include "testing/test_store.h"

/// Random operations with restarts and crashes, against a model.
namespace flint::storage {
namespace {

using testing::CrashPolicy;
using testing::FaultyDisk;
using testing::History;
using testing::Survives;
using testing::test_effort;
using testing::test_seed;
using testing::TestStore;
using testing::tiny_options;

class RandomLife {
  static constexpr std::size_t kMostBesideCompactions = 400;

 public:
  explicit RandomLife(std::uint64_t seed) : random_(seed) {
    testing::FaultyOptions options;
    options.can_map = seed % 2 == 0;
    disk_ = FaultyDisk(options);
    store_options_ = tiny_options();
    store_options_.sync = pick(2) == 0 ? SyncMode::kAlways : SyncMode::kBatch;
    store_options_.compact_after_bytes = 2000 + pick(20'000);
  }

  void run(int steps) {
    open();
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) step();
  }

 private:
  std::uint64_t pick(std::uint64_t below) { return random_() % below; }

  void open() {
    store_ = std::make_unique<TestStore>(disk_, store_options_);
    const Status opened = store_->open();
    ASSERT_TRUE(opened.ok()) << opened.message();
    ASSERT_TRUE(history_.explains(store_->owner.records));
    store_->adopt(history_);
    store_->owner.piece = 1 + pick(5);
    store_->owner.between_pieces = [this] {
      // All records are the state: without a bound, each compaction makes the next one longer by up to a half.
      if (pick(2) == 0 && history_.appended.size() < kMostBesideCompactions) append();
    };
    store_->owner.tick = [this] {
      EXPECT_TRUE(pick(4) != 0 || store_->append_locked(history_, "denials").ok());
      return Status();
    };
  }

  void append() {
    const std::size_t sizes[] = {0, 20, 20, 20, 33, 100, 700, 5000};
    EXPECT_TRUE(store_->append(history_, std::string(sizes[pick(8)], static_cast<char>('a' + pick(26)))).ok());
  }

  void step() {
    switch (pick(20)) {
      case 0:
        EXPECT_TRUE(store_->wait(history_).ok());
        break;
      case 1: {
        EXPECT_TRUE((**store_).flush().ok());
        history_.acknowledged = (**store_).durable_seq();
        break;
      }
      case 2:
      case 3:
        EXPECT_TRUE((**store_).tick().ok());
        break;
      case 4:
        EXPECT_TRUE(pick(4) != 0 || (**store_).compact().ok());
        break;
      case 5:
        restart();
        break;
      default:
        append();
    }
  }

  void restart() {
    switch (pick(4)) {
      case 0:
        EXPECT_TRUE((**store_).close().ok());
        history_.acknowledged = history_.appended.empty() ? 0 : history_.appended.rbegin()->first;
        break;
      case 1:
        crash({.survives = Survives::kEverything});
        break;
      case 2:
        crash({.survives = Survives::kOnlySynced});
        break;
      default:
        crash({.survives = Survives::kRandom, .whole_pages = pick(2) == 0});
    }
    store_.reset();
    open();
  }
  void crash(CrashPolicy policy) {
    if (policy.survives == Survives::kEverything) {
      history_.acknowledged = history_.appended.empty() ? 0 : history_.appended.rbegin()->first;
    } else {
      history_.acknowledged = std::max(history_.acknowledged, (**store_).durable_seq());
    }
    disk_ = disk_.crash(random_(), policy);
    if (pick(2) == 0) disk_.write_back_by_itself(random_());
  }

  std::mt19937_64 random_;
  FaultyDisk disk_;
  StoreOptions store_options_;
  History history_;
  std::unique_ptr<TestStore> store_;
};

TEST(Property, AnyLifeOfAStoreKeepsItsPromises) {
  const std::uint64_t seed = test_seed();
  for (std::uint64_t i = 0; i < 40 * test_effort(); ++i) {
    SCOPED_TRACE(::testing::Message() << "FLINT_TEST_SEED=" << seed << ", life " << i);
    RandomLife(seed + i).run(150);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace flint::storage
