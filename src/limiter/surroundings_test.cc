#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "flint/limiter.h"
#include "io/posix_file_system.h"
#include "limiter/engine.h"
#include "storage/files.h"
#include "testing/engine_fixture.h"
#include "testing/files.h"
#include "testing/mounts.h"
#include "testing/processes.h"

/// flint::Limiter on real files when the world around it changes: the disk is full, the lock file is gone, the process
/// forked.
namespace flint {
namespace {

using ::testing::HasSubstr;
using testing::must;

// Nothing comes back while a test runs.
const Limit kLimit{.rate = kMaxUnits, .per = kMaxPeriod, .algorithm = Algorithm::kFixedWindowCounter, .burst = {}};

class Surroundings : public ::testing::TestWithParam<SyncMode> {
 protected:
  void SetUp() override {
    options_.sync = GetParam();
    // Nothing is flushed behind a test's back.
    options_.flush_every = std::chrono::seconds(60);
    options_.max_unsynced = std::chrono::seconds(60);
  }
  [[nodiscard]] std::unique_ptr<Limiter> open() const { return must(Limiter::open(data_dir(), options_)); }
  [[nodiscard]] std::string data_dir() const { return temporary_.path_of("data"); }
  [[nodiscard]] std::string lock_file() const { return data_dir() + "/" + std::string(storage::kLockName); }

  static Units spent(Limiter& limiter, std::string_view key) {
    const LimitStatus status = must(limiter.status(key));
    EXPECT_EQ(status.total_allowed_cost, kMaxUnits - status.remaining);
    return status.total_allowed_cost;
  }

  testing::TemporaryDirectory temporary_;
  Options options_;
};

/// Many keys, so that few checks write much.
class Filler {
 public:
  explicit Filler(Limiter& limiter) : limiter_(limiter) {
    for (std::size_t i = 0; i < kMaxCheckAllItems; ++i) keys_.push_back("key " + std::to_string(i));
    for (const std::string& key : keys_) {
      must(limiter_.limit(key, kLimit));
      items_.push_back({key, 1});
    }
  }

  /// Checks until there is no room; what the failed check says.
  Status fill() {
    for (int i = 0; i < 100'000; ++i) {
      const auto decided = limiter_.check_all_deferred(items_);
      if (!decided.ok()) return decided.status();
      ++granted_;
    }
    return {};
  }
  Status check() {
    Status status = limiter_.check_all(items_).status();
    if (status.ok()) ++granted_;
    return status;
  }
  [[nodiscard]] Units granted() const { return granted_; }

 private:
  Limiter& limiter_;
  std::vector<std::string> keys_;
  std::vector<CheckItem> items_;
  Units granted_ = 0;
};

/// Writes, takes what room is left, fills the disk, then makes room.
class FullDisk : public Surroundings {
 protected:
  void expect_to_survive(const std::function<void()>& take_room, const std::function<void()>& make_room) {
    Units granted = 0;
    {
      const auto limiter = open();
      Filler filler(*limiter);
      for (int i = 0; i < 101; ++i) must(filler.check());
      take_room();
      EXPECT_EQ(filler.fill().code(), Code::kDiskFull);
      EXPECT_EQ(filler.check().code(), Code::kDiskFull) << "it stays full";
      must(limiter->health());
      EXPECT_EQ(spent(*limiter, "key 0"), filler.granted()) << "what was refused was charged";
      make_room();
      EXPECT_TRUE(filler.check().ok()) << "writing does not go on";
      must(limiter->compact());
      granted = filler.granted();
      EXPECT_GT(granted, 100U);
      must(limiter->close());
    }
    const auto again = open();
    EXPECT_EQ(spent(*again, "key 0"), granted);
    EXPECT_EQ(spent(*again, "key 127"), granted);
  }
};

TEST_P(FullDisk, OfASmallFileSystemLosesNothingAndWritingGoesOnWhenThereIsRoom) {
  testing::with_tmpfs(temporary_.path(), "16m", [&] {
    // Leaves room for the first segment, and not for the second.
    const std::string filler = temporary_.path_of("filler");
    std::ofstream(filler) << std::string(std::size_t{14} << 20, 'x');
    expect_to_survive([] {}, [&] { std::filesystem::remove(filler); });
  });
}

TEST_P(FullDisk, OfALimitOnFilesLosesNothingAndWritingGoesOnWhenItIsRaised) {
  testing::run_in_child([&] {
    ::signal(SIGXFSZ, SIG_DFL);  // the limiter's calls must not raise it
    // Less than the head of a file: of any more, small segments would be made one after the other.
    constexpr rlimit kTight{32, RLIM_INFINITY};
    constexpr rlimit kWide{RLIM_INFINITY, RLIM_INFINITY};
    expect_to_survive([&] { ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &kTight), 0); },
                      [&] { ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &kWide), 0); });
  });
}

class Lock : public Surroundings {
 protected:
  /// Nothing is synced for it, so it is allowed. But a seal in the background may have stopped the limiter already.
  static void check_unless_noticed(Limiter& limiter, Units cost) {
    const Result<Decision> decision = limiter.check("key", cost);
    EXPECT_TRUE(decision.ok() || decision.code() == Code::kStorageFailed) << decision.status().message();
  }
  /// Of a Limiter whose lock was taken away: it notices, and stops.
  static void expect_stopped(Limiter& limiter) {
    // In batch, a check is answered before anything is synced.
    if (GetParam() == SyncMode::kAlways) {
      EXPECT_EQ(limiter.check("key").code(), Code::kStorageFailed);
    } else {
      EXPECT_EQ(limiter.flush().code(), Code::kStorageFailed);
    }
    EXPECT_EQ(limiter.check("key").code(), Code::kStorageFailed);
    EXPECT_EQ(limiter.limit("another", kLimit).code(), Code::kStorageFailed);
    EXPECT_EQ(limiter.compact().code(), Code::kStorageFailed);
    EXPECT_EQ(limiter.health().code(), Code::kStorageFailed);
    EXPECT_FALSE(limiter.doctor().ok);
    EXPECT_TRUE(limiter.status("key").ok()) << "reading goes on";
  }
};

TEST_P(Lock, WhoseFileWasDeletedStopsItsHolder) {
  const auto limiter = open();
  must(limiter->limit("key", kLimit));
  must(limiter->check("key", 5));
  must(limiter->flush());
  ASSERT_TRUE(std::filesystem::remove(lock_file()));
  if (GetParam() == SyncMode::kBatch) check_unless_noticed(*limiter, 1);
  expect_stopped(*limiter);
}

TEST_P(Lock, WhoseFileWasReplacedStopsItsHolderAndTheNewOneGoesOn) {
  const auto first = open();
  must(first->limit("key", kLimit));
  must(first->check("key", 5));
  must(first->flush());
  ASSERT_TRUE(std::filesystem::remove(lock_file()));
  Units found = 0;
  {
    const auto second = open();
    found = spent(*second, "key");
    EXPECT_EQ(found, 5U);
    must(second->check("key", 7));
    // It writes where the second one has read to the end already.
    if (GetParam() == SyncMode::kBatch) check_unless_noticed(*first, 100);
    expect_stopped(*first);
    must(second->check("key", 11));
    EXPECT_EQ(first->close().code(), Code::kStorageFailed);
    must(second->check("key", 13));
    must(second->close());
  }
  const auto third = open();
  EXPECT_EQ(spent(*third, "key"), found + 7 + 11 + 13);
}

class Fork : public Surroundings {};

TEST_P(Fork, TheChildCanWriteNothingAndItsParentGoesOn) {
  auto limiter = open();
  must(limiter->limit("key", kLimit));
  must(limiter->check("key", 5));
  testing::run_in_child([&] {
    const auto refused = limiter->check("key");
    EXPECT_EQ(refused.code(), Code::kClosed);
    EXPECT_THAT(refused.status().message(), HasSubstr("open one in the child after fork"));
    const std::array items = {CheckItem{"key", 1}};
    EXPECT_EQ(limiter->check_all(items).code(), Code::kClosed);
    EXPECT_EQ(limiter->limit("another", kLimit).code(), Code::kClosed);
    EXPECT_EQ(limiter->reset("key").code(), Code::kClosed);
    EXPECT_EQ(limiter->status("key").code(), Code::kClosed);
    EXPECT_EQ(limiter->list().code(), Code::kClosed);
    EXPECT_EQ(limiter->flush().code(), Code::kClosed);
    EXPECT_EQ(limiter->compact().code(), Code::kClosed);
    EXPECT_EQ(limiter->health().code(), Code::kClosed);
    EXPECT_EQ(limiter->close().code(), Code::kClosed);
    limiter.reset();
    EXPECT_EQ(Limiter::open(data_dir(), options_).code(), Code::kDataDirLocked) << "the parent's lock was let go";
  });
  must(limiter->check("key", 7));
  must(limiter->close());
  EXPECT_EQ(spent(*open(), "key"), 12U);
}

// The engine alone, which has the store's operations one by one.
TEST_P(Fork, TheChildsEngineCanDoNothingAndHarmsNothing) {
  const auto open_engine = [this] {
    return must(
        limiter::Engine::open(must(io::open_posix_directory(data_dir(), io::OpenDirectory::kCreate)), options_));
  };
  auto engine = open_engine();
  must(engine->limit("key", kLimit));
  const Ticket ticket{engine->stats().last_seq};
  ASSERT_GT(ticket.seq, 0U);
  testing::run_in_child([&] {
    EXPECT_EQ(engine->check("key", 1).code(), Code::kClosed);
    EXPECT_EQ(engine->wait(ticket).code(), Code::kClosed);
    int calls = 0;
    engine->when_durable(ticket, [&](const Status& status) {
      EXPECT_EQ(status.code(), Code::kClosed);
      ++calls;
    });
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(engine->flush().code(), Code::kClosed);
    EXPECT_EQ(engine->compact().code(), Code::kClosed);
    EXPECT_EQ(engine->tick().code(), Code::kClosed);
    EXPECT_EQ(engine->health().code(), Code::kClosed);
    EXPECT_EQ(engine->history("key", 10).code(), Code::kClosed);
    EXPECT_EQ(engine->top(TopBy::kAllowed, 10).code(), Code::kClosed);
    EXPECT_EQ(engine->adopt(limiter::Keys()).code(), Code::kClosed);
    EXPECT_EQ(engine->stats().last_seq, 0U);
    const DoctorReport report = engine->doctor();
    EXPECT_FALSE(report.ok);
    EXPECT_EQ(report.last_seq, 0U);
    EXPECT_EQ(engine->close().code(), Code::kClosed);
    engine.reset();
  });
  const auto checked = must(engine->check("key", 7));
  EXPECT_TRUE(engine->wait(checked.ticket).ok());
  EXPECT_TRUE(engine->close().ok());
  engine = open_engine();
  const std::vector<Event> events = must(engine->history("key", 10));
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].kind, EventKind::kConfigured);
  EXPECT_EQ(events[1].kind, EventKind::kAllowed);
  EXPECT_EQ(events[1].cost, 7U);
}

// The child's destructor joined threads that it does not have, or waited for a mutex that one of them held.
TEST_P(Fork, AChildForkedWhileOthersCheckLeavesItsParentsLimiter) {
  auto limiter = open();
  must(limiter->limit("key", kLimit));
  std::atomic<bool> stop = false;
  std::vector<std::thread> callers;
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([&] {
      while (!stop) must(limiter->check("key"));
    });
  }
  for (int i = 0; i < 20; ++i) {
    testing::run_in_child([&] {
      EXPECT_EQ(limiter->check("key").code(), Code::kClosed);
      EXPECT_FALSE(limiter->doctor().ok);
      EXPECT_EQ(limiter->stats().keys, 0U);
      EXPECT_EQ(limiter->close().code(), Code::kClosed);
      limiter.reset();
    });
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
  must(limiter->close());
}

std::string mode_name(const ::testing::TestParamInfo<SyncMode>& mode) {
  return mode.param == SyncMode::kAlways ? "always" : "batch";
}
INSTANTIATE_TEST_SUITE_P(All, FullDisk, ::testing::Values(SyncMode::kAlways, SyncMode::kBatch), mode_name);
INSTANTIATE_TEST_SUITE_P(All, Lock, ::testing::Values(SyncMode::kAlways, SyncMode::kBatch), mode_name);
INSTANTIATE_TEST_SUITE_P(All, Fork, ::testing::Values(SyncMode::kAlways, SyncMode::kBatch), mode_name);

}  // namespace
}  // namespace flint
