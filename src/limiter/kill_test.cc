#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <thread>

#include "flint/limiter.h"
#include "testing/engine_fixture.h"
#include "testing/files.h"
#include "testing/processes.h"
#include "testing/seed.h"

/// Kills a process with SIGKILL, again and again, whose threads check through the public interface on real files. What
/// it was told to be granted is there afterwards; no more than that, but for what nobody was told; and never half of a
/// check_all.
namespace flint {
namespace {

using testing::must;
using testing::Random;

constexpr int kThreads = 3;
constexpr int kKills = 12;
constexpr int kChecksOfACompaction = 1'000;
constexpr Units kMaxCost = 5;
constexpr Units kSmallRate = 300;

// Nothing comes back within a run, so that what is spent is what was ever granted.
const Limit kLeft{.rate = 1, .per = kMaxPeriod, .algorithm = Algorithm::kTokenBucket, .burst = kMaxUnits};
const Limit kRight{.rate = kMaxUnits, .per = kMaxPeriod, .algorithm = Algorithm::kFixedWindowCounter, .burst = {}};
const Limit kLogged{.rate = kMaxUnits, .per = kMaxPeriod, .algorithm = Algorithm::kSlidingWindowLog, .burst = {}};
const Limit kSmall{.rate = kSmallRate, .per = kMaxPeriod, .algorithm = Algorithm::kFixedWindowCounter, .burst = {}};

enum Kind : std::uint8_t { kPair, kOne, kScarce };

/// What the process tells: so many units were granted. Small enough for a pipe to keep it whole.
struct Grant {
  Kind kind = kPair;
  std::uint8_t cost = 0;
};

class Told {
 public:
  Told() { EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0); }
  ~Told() {
    ::close(ends_[0]);
    if (ends_[1] >= 0) ::close(ends_[1]);
  }
  Told(const Told&) = delete;
  Told& operator=(const Told&) = delete;

  void tell(const Grant& grant) const {
    if (::write(ends_[1], &grant, sizeof(grant)) != sizeof(grant)) std::abort();
  }
  /// Of the reader's process: from now on only the other one can tell.
  void only_hear() {
    ::close(ends_[1]);
    ends_[1] = -1;
  }
  /// False when the other process is gone and all that it told was heard.
  [[nodiscard]] bool hear(Grant& grant) const { return ::read(ends_[0], &grant, sizeof(grant)) == sizeof(grant); }

 private:
  std::array<int, 2> ends_{-1, -1};
};

void check_forever(Limiter& limiter, const Told& told, std::uint64_t seed) {
  Random random(seed);
  while (true) {
    const Units cost = 1 + random.pick(kMaxCost);
    const Kind kind = random.any_of(std::array{kPair, kOne, kScarce});
    bool allowed = false;
    if (kind == kPair) {
      const std::array items = {CheckItem{"left", cost}, CheckItem{"right", cost}};
      allowed = must(limiter.check_all(items)).allowed;
    } else {
      allowed = must(limiter.check(kind == kOne ? "logged" : "small", cost)).allowed;
    }
    if (allowed) told.tell({kind, static_cast<std::uint8_t>(cost)});
    if (random.one_in(kChecksOfACompaction)) must(limiter.compact());
  }
}

/// Until it is killed.
void live(const std::string& path, const Options& options, const Told& told, std::uint64_t seed) {
  const auto limiter = must(Limiter::open(path, options));
  must(limiter->limit("left", kLeft));
  must(limiter->limit("right", kRight));
  must(limiter->limit("logged", kLogged));
  must(limiter->limit("small", kSmall));
  std::array<std::thread, kThreads> threads;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    threads[i] = std::thread([&, i] { check_forever(*limiter, told, seed + i); });
  }
  for (std::thread& thread : threads) thread.join();
}

class Kill : public ::testing::TestWithParam<SyncMode> {
 protected:
  void SetUp() override { options_.sync = GetParam(); }

  void start_and_kill() {
    Told told;
    const std::uint64_t seed = random_.pick(1'000'000);
    const pid_t child = testing::start_child([&] { live(temporary_.path(), options_, told, seed); });
    told.only_hear();
    // 0 is often drawn: then it dies while it opens.
    Grant grant;
    const auto note = [&] { granted_.at(grant.kind) += grant.cost; };
    for (std::uint64_t heard = random_.any_up_to(options_.sync == SyncMode::kAlways ? 200 : 2'000);
         heard > 0 && told.hear(grant); --heard)
      note();
    testing::kill_and_reap(child);
    while (told.hear(grant)) note();
    // Each thread may have been granted something that it could not tell any more.
    unheard_ += kThreads * kMaxCost;
  }

  /// What an open would find now; changes nothing.
  void expect_all_is_there() {
    Options reading = options_;
    reading.mode = OpenMode::kReadOnly;
    auto opened = Limiter::open(temporary_.path(), reading);
    // It may have been killed before it came to making a store.
    if (!opened.ok() && opened.status().code() == Code::kNotFound) {
      EXPECT_EQ(granted_, Granted{});
      return;
    }
    const auto limiter = must(std::move(opened));
    // It may have been killed before it came to configuring.
    if (must(limiter->list()).size() < 4) {
      EXPECT_EQ(granted_, Granted{});
      return;
    }
    expect_spent(*limiter, "left", kMaxUnits, granted_[kPair]);
    expect_spent(*limiter, "logged", kMaxUnits, granted_[kOne]);
    expect_spent(*limiter, "small", kSmallRate, granted_[kScarce]);
    EXPECT_EQ(must(limiter->status("left")).remaining, must(limiter->status("right")).remaining) << "half a check_all";
    EXPECT_LE(granted_[kScarce], kSmallRate) << "more was granted than there is";
  }

  void expect_spent(Limiter& limiter, std::string_view key, Units capacity, Units granted) const {
    const LimitStatus status = must(limiter.status(key));
    const Units spent = capacity - status.remaining;
    EXPECT_GE(spent, granted) << key << ": what was granted is lost";
    EXPECT_LE(spent, granted + unheard_) << key << ": more is spent than was granted";
    EXPECT_EQ(status.total_allowed_cost, spent) << key;
  }

  using Granted = std::array<Units, 3>;

  testing::TemporaryDirectory temporary_;
  Options options_;
  Random random_{testing::test_seed()};
  Granted granted_{};
  Units unheard_ = 0;
};

TEST_P(Kill, ForgetsNothingThatWasGrantedAndGrantsNothingTwice) {
  for (int kill = 0; kill < kKills && !HasFailure(); ++kill) {
    SCOPED_TRACE("kill " + std::to_string(kill));
    start_and_kill();
    expect_all_is_there();
  }
  // The next owner goes on from there, and once it closed nothing is unknown any more.
  const auto statuses = [](Limiter& limiter) {
    std::vector<Units> all;
    for (const LimitStatus& status : must(limiter.list())) all.push_back(status.remaining);
    return all;
  };
  auto limiter = must(Limiter::open(temporary_.path(), options_));
  const auto found = statuses(*limiter);
  must(limiter->close());
  EXPECT_EQ(statuses(*must(Limiter::open(temporary_.path(), options_))), found);
  std::cout << granted_[kPair] << " + " << granted_[kOne] << " + " << granted_[kScarce] << " units granted\n";
}

INSTANTIATE_TEST_SUITE_P(All, Kill, ::testing::Values(SyncMode::kAlways, SyncMode::kBatch),
                         [](const auto& mode) { return mode.param == SyncMode::kAlways ? "always" : "batch"; });

}  // namespace
}  // namespace flint
