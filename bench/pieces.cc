// What the steps of one check cost, each by itself, so that a change shows where it costs: welcome the caller, lock,
// look up the key, read the clock, decide, encode, append, copy the decision out. They add up to less than a check in
// `batch`, whose background flushes compete with it for the log's pages and for the processor.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "algorithm/algorithm.h"
#include "api/operations.h"
#include "api/service.h"
#include "backend/local.h"
#include "base/mutex.h"
#include "bench/scratch_directory.h"
#include "io/fork_guard.h"
#include "io/posix_file_system.h"
#include "limiter/event_codec.h"
#include "limiter/keys.h"
#include "limiter/limiter_clock.h"
#include "storage/store.h"

namespace flint::bench {
namespace {

using limiter::EventType;
using limiter::EventWriter;
using limiter::KeyEvent;
using limiter::LimiterClock;
using limiter::Moment;

const Limit kHundredASecond{.rate = 100, .per = std::chrono::seconds(1)};
const Moment kNoon{Time(std::chrono::hours(24 * 365 * 56)), WallTime(std::chrono::hours(24 * 365 * 56))};

void fork_generation(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(io::fork_generation());
}

void lock_and_unlock(benchmark::State& state) {
  base::Mutex mutex;
  for (auto _ : state) base::MutexLock lock(mutex);
}

void look_up(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  limiter::Keys table;
  std::vector<std::string> keys;
  for (std::size_t n = 0; n < count; ++n) keys.push_back("bench:user-" + std::to_string(100000 + n));
  for (const std::string& key : keys) table.add(key);
  // A stride that is prime to the size: neighbours in memory are not neighbours in time.
  std::size_t n = 0;
  for (auto _ : state) benchmark::DoNotOptimize(table.find(keys[n = (n + 7919) % count]));
}

void read_clock(benchmark::State& state) {
  LimiterClock clock(system_clock(), limiter::PersistedTime{});
  for (auto _ : state) benchmark::DoNotOptimize(clock.now());
}

/// A key that is used at half its rate, so that each check refills and is allowed.
void decide(benchmark::State& state, const Limit& limit) {
  algorithm::State key = algorithm::fresh(limit, kNoon.time);
  Time now = kNoon.time;
  for (auto _ : state) {
    now += std::chrono::milliseconds(20);
    algorithm::Outcome outcome = algorithm::decide(key, limit, 1, now);
    benchmark::DoNotOptimize(outcome);
    algorithm::consume(key, limit, 1, now, outcome);
  }
}

void encode(benchmark::State& state) {
  KeyEvent event{.id = 1000, .cost = 1, .denials = {}, .after = {Algorithm::kTokenBucket, 50, 123'456'789}};
  for (auto _ : state) {
    benchmark::DoNotOptimize(event);
    EventWriter writer(EventType::kAllowed, kNoon);
    writer.allowed(event);
    benchmark::DoNotOptimize(writer.written());
  }
}

/// Keeps nothing: what is measured is the store alone.
class NoState final : public storage::Owner {
 public:
  void clear() override {}
  Status load(std::span<const std::byte>, storage::Seq) override { return {}; }
  Status replay(const storage::Record&) override { return {}; }
  void begin_snapshot() override {}
  bool next_entries(const std::function<void(std::span<const std::byte>)>&) override { return false; }
  Status on_tick() override { return {}; }
};

/// `flushing`: the log is flushed in the background as in `batch` by default; else hardly ever.
void append(benchmark::State& state, bool flushing) {
  ScratchDirectory scratch;
  NoState nothing;
  base::Mutex mutex;
  auto directory = io::open_posix_directory(scratch / "data", io::OpenDirectory::kCreate);
  storage::StoreOptions options;
  options.sync = SyncMode::kBatch;
  if (!flushing) {
    options.flush_every = std::chrono::seconds(60);
    options.flush_every_events = 1'000'000;
    options.max_unsynced = std::chrono::seconds(60);
  }
  auto store = storage::Store::open(**directory, nothing, mutex, options);
  if (!store.ok()) return state.SkipWithError(store.status().message().c_str());
  const std::vector<std::byte> payload(18);
  for (auto _ : state) {
    base::MutexLock lock(mutex);
    if (!(*store)->append(2, payload).ok()) state.SkipWithError("an append failed");
  }
}

/// Makes the response of the answer, as a connection does.
class Responder final : public backend::Asker {
 public:
  explicit Responder(const api::OperationRow& operation) : operation_(operation) {}
  void answered(std::uint64_t, backend::Answer&& answer) override {
    response_ = api::Service::respond(operation_, answer, nullptr);
  }
  [[nodiscard]] const api::Response& response() const { return response_; }

 private:
  const api::OperationRow& operation_;
  api::Response response_;
};

/// What a server does for POST /v1/check between the bytes of the request and those of the answer: route, read the
/// JSON, check, write the JSON.
void api_check(benchmark::State& state) {
  ScratchDirectory scratch;
  const auto limiter = Limiter::open(scratch / "data", {.sync = SyncMode::kBatch});
  if (!limiter.ok()) return state.SkipWithError(limiter.status().message().c_str());
  backend::LocalBackend backend(**limiter);
  const std::unique_ptr<backend::Queue> queue = backend.open_queue({.batch_begins = [] {}, .wake = [] {}});
  const auto post = [&](std::string_view path, std::string_view body) {
    const api::Service::Route route = api::Service::route(api::Method::kPost, path);
    if (route.error) return state.SkipWithError("the path was refused");
    Responder responder(*route.operation);
    const auto refused = api::Service::submit(
        route, {.method = api::Method::kPost, .path = path, .query = {}, .body = body}, *queue, responder, 0);
    if (refused || responder.response().status != 200) state.SkipWithError("the request was refused");
  };
  post("/v1/limits", R"({"key":"bench:user-100000","rate":1099511627776,"per":"1s"})");
  for (auto _ : state) post("/v1/check", R"({"key":"bench:user-100000"})");
}

const Limit kSliding{.rate = 100, .per = std::chrono::seconds(1), .algorithm = Algorithm::kSlidingWindowLog};
const Limit kWindow{.rate = 100, .per = std::chrono::seconds(1), .algorithm = Algorithm::kFixedWindowCounter};

BENCHMARK(fork_generation);
BENCHMARK(lock_and_unlock);
BENCHMARK(look_up)->Arg(1000)->Arg(1'000'000);
BENCHMARK(read_clock);
BENCHMARK_CAPTURE(decide, token_bucket, kHundredASecond);
BENCHMARK_CAPTURE(decide, sliding_window_log, kSliding);
BENCHMARK_CAPTURE(decide, fixed_window_counter, kWindow);
BENCHMARK(encode);
BENCHMARK_CAPTURE(append, no_flush, false)->UseRealTime();
BENCHMARK_CAPTURE(append, flushing, true)->UseRealTime();
BENCHMARK(api_check)->UseRealTime();

}  // namespace
}  // namespace flint::bench

BENCHMARK_MAIN();
