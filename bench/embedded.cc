// What a call of flint::Limiter costs in the caller's own process, and how long a directory takes to open.
//
// `always/ratio_to_bare_log` alternates a check with the least that durability costs (bare_log.h) and reports the ratio
// of the medians, so that it holds on a machine that is not idle. `check_two_windows` does so with a limit of two
// windows and one of one. `open` reports the time of open() alone.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/bare_log.h"
#include "bench/scratch_directory.h"
#include "flint/limiter.h"

namespace flint::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kKeys = 1000;
const Limit kNearlyUnlimited{.rate = kMaxUnits, .per = std::chrono::seconds(1)};
const Limit kSliding{
    .rate = kMaxUnits, .per = std::chrono::milliseconds(10), .algorithm = Algorithm::kSlidingWindowLog};
const Limit kWindow{.rate = kMaxUnits, .per = std::chrono::seconds(1), .algorithm = Algorithm::kFixedWindowCounter};
const Limit kFading{.rate = kMaxUnits, .per = std::chrono::seconds(1), .algorithm = Algorithm::kSlidingWindowCounter};
// Of one that lasts, so that its keys are not forgotten.
const Limit kHours{.rate = kMaxUnits, .per = std::chrono::hours(24), .algorithm = Algorithm::kFixedWindowCounter};
const Limit kOneADay{.rate = 1, .per = std::chrono::hours(24)};

void require(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench: %s\n", status.message().c_str());
  std::abort();
}

/// Names whose order is not that of the numbers, as with real users.
std::string key_name(std::size_t key) { return "bench:user-" + std::to_string(key * 2654435761U % 0x100000000); }

std::unique_ptr<Limiter> open(const std::string& path, const Options& options) {
  auto limiter = Limiter::open(path, options);
  require(limiter.status());
  return std::move(*limiter);
}

/// A Limiter with kKeys keys in a directory of its own.
class Fixture {
 public:
  explicit Fixture(SyncMode sync, const Limit& limit = kNearlyUnlimited, bool map_log = true)
      : limiter_(open(directory_ / "data", {.sync = sync, .map_log = map_log})) {
    for (std::size_t key = 0; key < kKeys; ++key) {
      keys_.push_back(key_name(key));
      Ticket last;
      require(limiter_->limit_deferred(keys_.back(), limit, &last));
    }
    require(limiter_->flush());
  }

  [[nodiscard]] Limiter& limiter() { return *limiter_; }
  [[nodiscard]] const std::string& key(std::size_t n) const { return keys_[n % kKeys]; }

 private:
  ScratchDirectory directory_;
  std::unique_ptr<Limiter> limiter_;
  std::vector<std::string> keys_;
};

void require_allowed(benchmark::State& state, const Result<Decision>& decision, bool allowed) {
  if (!decision.ok()) return state.SkipWithError(decision.status().message().c_str());
  if (decision->allowed != allowed) state.SkipWithError("a check was decided otherwise than this benchmark means");
}

/// One Limiter for all threads of a run: the first to come opens it, and the barrier that Google Benchmark puts around
/// the loop keeps the others from using it before or after its time.
template <typename Body>
void share(benchmark::State& state, SyncMode sync, const Body& body) {
  static std::unique_ptr<Fixture> fixture;
  if (state.thread_index() == 0) fixture = std::make_unique<Fixture>(sync);
  std::size_t n = static_cast<std::size_t>(state.thread_index()) * 7919;
  for (auto _ : state) body(*fixture, n++);
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) fixture.reset();
}

void check(benchmark::State& state, SyncMode sync) {
  share(state, sync, [&](Fixture& fixture, std::size_t n) {
    require_allowed(state, fixture.limiter().check(fixture.key(n)), true);
  });
}

/// As on a file system where the log is not mapped, or with --no-map.
void check_unmapped(benchmark::State& state) {
  Fixture fixture(SyncMode::kBatch, kNearlyUnlimited, false);
  std::size_t n = 0;
  for (auto _ : state) require_allowed(state, fixture.limiter().check(fixture.key(n++)), true);
}

void check_algorithm(benchmark::State& state, const Limit& limit) {
  Fixture fixture(SyncMode::kBatch, limit);
  std::size_t n = 0;
  for (auto _ : state) require_allowed(state, fixture.limiter().check(fixture.key(n++)), true);
}

Limit two_windows() {
  Limit limit = kNearlyUnlimited;
  limit.further = {kHours};
  return limit;
}

/// A limit of two windows beside one of one, in turns: `ratio` is that of their times.
void check_two_windows(benchmark::State& state) {
  constexpr std::size_t kInTurn = 256;
  Fixture one(SyncMode::kBatch);
  Fixture two(SyncMode::kBatch, two_windows());
  SteadyClock::duration took[2] = {};
  std::size_t n = 0;
  for (auto _ : state) {
    const bool of_two = n / kInTurn % 2 == 1;
    const auto start = SteadyClock::now();
    for (std::size_t i = 0; i < kInTurn; ++i) {
      require_allowed(state, (of_two ? two : one).limiter().check(one.key(n++)), true);
    }
    took[of_two ? 1 : 0] += SteadyClock::now() - start;
  }
  using Seconds = std::chrono::duration<double>;
  if (took[0].count() > 0) state.counters["ratio"] = Seconds(took[1]) / Seconds(took[0]);
}

/// Of keys that nobody configured: by a pattern, or with a limit that each check carries.
void check_by_rule(benchmark::State& state, bool carried) {
  Fixture fixture(SyncMode::kBatch);
  const CheckOptions options{.limit = carried ? std::optional(kHours) : std::nullopt};
  if (!carried) require(fixture.limiter().limit("rule:*", kHours));
  std::vector<std::string> keys;
  for (std::size_t key = 0; key < kKeys; ++key) keys.push_back("rule:" + key_name(key));
  std::size_t n = 0;
  for (auto _ : state) require_allowed(state, fixture.limiter().check(keys[n++ % kKeys], 1, options), true);
}

/// Each check brings a key to life, which is forgotten a second later.
void check_births(benchmark::State& state) {
  Fixture fixture(SyncMode::kBatch);
  require(fixture.limiter().limit("rule:*", {.rate = 1, .per = std::chrono::seconds(1)}));
  std::size_t n = 0;
  for (auto _ : state) require_allowed(state, fixture.limiter().check("rule:" + std::to_string(n++)), true);
  state.counters["keys"] = static_cast<double>(fixture.limiter().stats().born_keys);
}

/// Bytes of memory that are not of files.
std::size_t resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stoull(line.substr(8)) * 1024;
  }
  return 0;
}

std::uintmax_t bytes_in(const std::string& directory) {
  std::uintmax_t bytes = 0;
  std::error_code gone;  // files come and go
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    const std::uintmax_t size = file.file_size(gone);
    if (!gone) bytes += size;
  }
  return bytes;
}

/// Bytes that a key takes, all told: of a million that a pattern with a token bucket brought to life.
void key_memory(benchmark::State& state) {
  constexpr std::size_t kMany = 1'000'000;
  const auto name_bytes = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    ScratchDirectory directory;
    const auto limiter = open(directory / "data", {.sync = SyncMode::kBatch});
    require(limiter->limit("ip:*", {.rate = 100, .per = std::chrono::hours(24)}));
    malloc_trim(0);  // what runs before this freed is not to be counted
    const std::size_t before = resident_bytes();
    for (std::size_t n = 0; n < kMany; ++n) {
      const std::string number = std::to_string(n);
      require_allowed(state, limiter->check("ip:" + std::string(name_bytes - 3 - number.size(), '0') + number), true);
    }
    state.counters["bytes"] = static_cast<double>(resident_bytes() - before) / kMany;
    state.counters["keys"] = static_cast<double>(limiter->stats().born_keys);
  }
}

/// Ten million keys that live for a second each, as fast as they come: what is in memory and on disk after the first
/// million, and the most from there on.
void key_turnover(benchmark::State& state) {
  constexpr std::size_t kAtOnce = 250'000;
  constexpr double kMiB = 1 << 20;
  for (auto _ : state) {
    ScratchDirectory directory;
    const auto limiter = open(directory / "data", {.sync = SyncMode::kBatch});
    require(limiter->limit("ip:*", {.rate = 1, .per = std::chrono::seconds(1), .algorithm = kWindow.algorithm}));
    malloc_trim(0);  // what runs before this freed is not to be counted
    const std::size_t before = resident_bytes();
    std::map<std::string, double> most;
    for (std::size_t n = 1; n <= 10'000'000; ++n) {
      require_allowed(state, limiter->check("ip:" + std::to_string(n)), true);
      if (n % kAtOnce != 0) continue;
      std::map<std::string, double> now{{"alive", static_cast<double>(limiter->stats().born_keys)},
                                        {"resident_MiB", static_cast<double>(resident_bytes() - before) / kMiB},
                                        {"disk_MiB", static_cast<double>(bytes_in(directory / "data")) / kMiB}};
      for (const auto& [name, value] : now) {
        if (n <= 1'000'000) {
          state.counters[name + "_at_first"] = value;
        } else {
          most[name] = std::max(most[name], value);
        }
      }
    }
    for (const auto& [name, value] : most) state.counters[name + "_most"] = value;
  }
}

void check_all_of_four(benchmark::State& state) {
  Fixture fixture(SyncMode::kBatch);
  std::size_t n = 0;
  for (auto _ : state) {
    const CheckItem items[] = {{fixture.key(n)}, {fixture.key(n + 1)}, {fixture.key(n + 2)}, {fixture.key(n + 3)}};
    n += 4;
    const auto result = fixture.limiter().check_all(items);
    if (!result.ok() || !result->allowed) state.SkipWithError("a check_all was not allowed");
  }
}

void denied(benchmark::State& state, SyncMode sync) {
  Fixture fixture(sync, kOneADay);
  for (std::size_t key = 0; key < kKeys; ++key) require(fixture.limiter().check_deferred(fixture.key(key)).status());
  std::size_t n = 0;
  for (auto _ : state) require_allowed(state, fixture.limiter().check(fixture.key(n++)), false);
}

void status(benchmark::State& state) {
  Fixture fixture(SyncMode::kBatch);
  std::size_t n = 0;
  for (auto _ : state) {
    const auto result = fixture.limiter().status(fixture.key(n++));
    benchmark::DoNotOptimize(result);
  }
}

void bare_log(benchmark::State& state) {
  ScratchDirectory directory;
  BareLog log(directory / "log");
  for (auto _ : state) log.append_and_sync();
}

/// What most append-only logs do for a record, without a sync: the yardstick of a check in `batch`.
void bare_write(benchmark::State& state) {
  ScratchDirectory directory;
  const int fd = ::open((directory / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const std::array<char, 48> record{};
  for (auto _ : state) {
    if (::write(fd, record.data(), record.size()) != std::ssize(record)) state.SkipWithError("a write failed");
  }
  ::close(fd);
}

double median_us(std::vector<SteadyClock::duration>& times) {
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return std::chrono::duration<double, std::micro>(*middle).count();
}

void ratio_to_bare_log(benchmark::State& state) {
  Fixture fixture(SyncMode::kAlways);
  ScratchDirectory directory;
  BareLog log(directory / "log");
  std::vector<SteadyClock::duration> checks;
  std::vector<SteadyClock::duration> bare;
  std::size_t n = 0;
  for (auto _ : state) {
    const auto start = SteadyClock::now();
    require_allowed(state, fixture.limiter().check(fixture.key(n++)), true);
    const auto between = SteadyClock::now();
    log.append_and_sync();
    checks.push_back(between - start);
    bare.push_back(SteadyClock::now() - between);
  }
  const double check_us = median_us(checks);
  const double bare_us = median_us(bare);
  state.counters["check_us"] = check_us;
  state.counters["bare_us"] = bare_us;
  state.counters["ratio"] = check_us / bare_us;
}

/// A directory with that many keys, one check each, closed cleanly; made once and kept for all runs.
std::string directory_with(std::size_t keys, bool compacted) {
  struct Prepared {
    ScratchDirectory directory;
  };
  static std::map<std::pair<std::size_t, bool>, Prepared> prepared;
  const auto [at, made] = prepared.try_emplace({keys, compacted});
  const std::string path = at->second.directory / "data";
  if (!made) return path;
  const auto limiter = open(path, {.sync = SyncMode::kBatch, .flush_every_events = 1'000'000});
  for (std::size_t key = 0; key < keys; ++key) {
    require(limiter->limit(key_name(key), kNearlyUnlimited));
    require(limiter->check(key_name(key)).status());
  }
  if (compacted) {
    require(limiter->compact());
    require(limiter->compact());  // the second one drops the log that the first one had to keep
  }
  require(limiter->close());
  return path;
}

void open_directory(benchmark::State& state, bool compacted) {
  const auto keys = static_cast<std::size_t>(state.range(0));
  const std::string path = directory_with(keys, compacted);
  for (auto _ : state) {
    const auto start = SteadyClock::now();
    const auto limiter = open(path, {});
    const std::chrono::duration<double> took = SteadyClock::now() - start;
    state.SetIterationTime(took.count());
    state.counters["us_per_key"] = took.count() * 1e6 / static_cast<double>(keys);
  }
}

BENCHMARK_CAPTURE(check, batch, SyncMode::kBatch)->UseRealTime()->ThreadRange(1, 4);
BENCHMARK_CAPTURE(check, always, SyncMode::kAlways)->UseRealTime()->ThreadRange(1, 16);
BENCHMARK(check_unmapped)->UseRealTime();
BENCHMARK_CAPTURE(check_algorithm, sliding_window_log, kSliding)->UseRealTime();
BENCHMARK_CAPTURE(check_algorithm, fixed_window_counter, kWindow)->UseRealTime();
BENCHMARK_CAPTURE(check_algorithm, sliding_window_counter, kFading)->UseRealTime();
BENCHMARK(check_two_windows)->UseRealTime();
BENCHMARK_CAPTURE(check_by_rule, pattern, false)->UseRealTime();
BENCHMARK_CAPTURE(check_by_rule, carried, true)->UseRealTime();
BENCHMARK(check_births)->UseRealTime();
BENCHMARK(key_memory)->Arg(20)->Arg(40)->Iterations(1)->UseRealTime();
BENCHMARK(key_turnover)->Iterations(1)->UseRealTime();
BENCHMARK(check_all_of_four)->UseRealTime();
BENCHMARK_CAPTURE(denied, batch, SyncMode::kBatch)->UseRealTime();
BENCHMARK_CAPTURE(denied, always, SyncMode::kAlways)->UseRealTime();
BENCHMARK(status)->UseRealTime();
BENCHMARK(bare_write)->UseRealTime();
BENCHMARK(bare_log)->UseRealTime();
BENCHMARK(ratio_to_bare_log)->UseRealTime();
BENCHMARK_CAPTURE(open_directory, from_snapshot, true)
    ->RangeMultiplier(10)
    ->Range(10'000, 1'000'000)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(open_directory, from_log, false)->Arg(100'000)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace flint::bench

BENCHMARK_MAIN();
