// How long a check waits at worst while a compaction runs over a sliding log of as many runs as a key can have: the
// runs are copied under the lock that checks take. Prints the worst wait of each of some compactions, and of as much
// time without one: what the machine itself adds.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "bench/scratch_directory.h"
#include "flint/limiter.h"

namespace flint::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kRuns = 1'000'000;
constexpr int kRounds = 21;
const Limit kSliding{
    .rate = kMaxUnits, .per = std::chrono::hours(24), .algorithm = Algorithm::kSlidingWindowLog, .burst = {}};
const Limit kBucket{.rate = kMaxUnits, .per = std::chrono::seconds(1)};

void require(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "hold: %s\n", status.message().c_str());
  std::abort();
}

/// Checks without a pause as long as `work` runs; the longest that one took.
template <typename Work>
SteadyClock::duration worst_check(Limiter& limiter, const Work& work) {
  std::atomic<bool> done = false;
  std::thread working([&] {
    work();
    done = true;
  });
  SteadyClock::duration worst{};
  while (!done) {
    const auto begin = SteadyClock::now();
    require(limiter.check("bench:bucket").status());
    worst = std::max(worst, SteadyClock::now() - begin);
  }
  working.join();
  return worst;
}

void report(const char* what, std::vector<SteadyClock::duration> worst) {
  std::sort(worst.begin(), worst.end());
  const auto us = [](SteadyClock::duration time) { return std::chrono::duration<double, std::micro>(time).count(); };
  std::printf("worst check %-12s median %8.0f us, lowest %8.0f us, highest %8.0f us\n", what,
              us(worst[worst.size() / 2]), us(worst.front()), us(worst.back()));
}

void run() {
  ScratchDirectory scratch;
  const auto opened = Limiter::open(scratch / "data", {.sync = SyncMode::kBatch});
  require(opened.status());
  Limiter& limiter = **opened;
  require(limiter.limit("bench:bucket", kBucket));
  require(limiter.limit("bench:sliding", kSliding));
  for (int i = 0; i < kRuns; ++i) require(limiter.check("bench:sliding").status());

  std::vector<SteadyClock::duration> compacting;
  std::vector<SteadyClock::duration> idle;
  for (int round = 0; round < kRounds; ++round) {
    const auto begin = SteadyClock::now();
    compacting.push_back(worst_check(limiter, [&] { require(limiter.compact()); }));
    const auto took = SteadyClock::now() - begin;
    idle.push_back(worst_check(limiter, [&] { std::this_thread::sleep_for(took); }));
  }
  report("compacting", compacting);
  report("otherwise", idle);
  require(limiter.close());
}

}  // namespace
}  // namespace flint::bench

int main() {
  flint::bench::run();
  return 0;
}
