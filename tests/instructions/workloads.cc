// Fixed workloads whose instructions callgrind counts (see measure.py): what runs inside measured(), and nothing else.
// Calls only the public API, so that it builds against earlier versions too.
//
//     workloads NAME COUNT DIRECTORY      DIRECTORY exists and is empty; COUNT operations are measured
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "flint/limiter.h"

/// C linkage, so that callgrind knows it by this name; not inlined, so that it finds it at all.
extern "C" [[gnu::noinline]] void measured(const std::function<void()>& body) { body(); }

namespace {

using flint::Limit;
using flint::Limiter;
using flint::Options;
using flint::SyncMode;

constexpr std::size_t kKeys = 1000;
const Limit kNearlyUnlimited{.rate = flint::kMaxUnits, .per = std::chrono::seconds(1)};
const Limit kOneADay{.rate = 1, .per = std::chrono::hours(24)};
const Limit kHours{
    .rate = flint::kMaxUnits, .per = std::chrono::hours(24), .algorithm = flint::Algorithm::kFixedWindowCounter};
const Limit kSecond{
    .rate = flint::kMaxUnits, .per = std::chrono::seconds(1), .algorithm = flint::Algorithm::kFixedWindowCounter};

void require(bool condition, const std::string& what) {
  if (condition) return;
  std::fprintf(stderr, "workloads: %s\n", what.c_str());
  std::exit(1);
}

void require(const flint::Status& status) { require(status.ok(), status.message()); }

std::string key_name(std::size_t key) { return "bench:user-" + std::to_string(key * 2654435761U % 0x100000000); }

std::unique_ptr<Limiter> open(const std::string& path, SyncMode sync) {
  // The number of flushes must not depend on how fast the machine is.
  Options options;
  options.sync = sync;
  options.flush_every_events = 1'000'000;  // the most: its name is not the same in every version
  auto limiter = Limiter::open(path, options);
  require(limiter.status());
  return std::move(*limiter);
}

struct Fixture {
  Fixture(const std::string& path, SyncMode sync, const Limit& limit) : limiter(open(path, sync)) {
    for (std::size_t key = 0; key < kKeys; ++key) {
      keys.push_back(key_name(key));
      flint::Ticket last;
      require(limiter->limit_deferred(keys.back(), limit, &last));
      require(limiter->check_deferred(keys.back()).status());
    }
    require(limiter->flush());
  }

  std::unique_ptr<Limiter> limiter;
  std::vector<std::string> keys;
};

void check_each(Fixture& fixture, std::size_t count, bool allowed) {
  for (std::size_t n = 0; n < count; ++n) {
    const auto decision = fixture.limiter->check(fixture.keys[n % kKeys]);
    if (!decision.ok() || decision->allowed != allowed) require(false, "a check was decided otherwise than meant");
  }
}

void check_each_all_of_four(Fixture& fixture, std::size_t count) {
  for (std::size_t n = 0; n < count * 4; n += 4) {
    const flint::CheckItem items[] = {{fixture.keys[n % kKeys]},
                                      {fixture.keys[(n + 1) % kKeys]},
                                      {fixture.keys[(n + 2) % kKeys]},
                                      {fixture.keys[(n + 3) % kKeys]}};
    const auto result = fixture.limiter->check_all(items);
    if (!result.ok() || !result->allowed) require(false, "a check_all was not allowed");
  }
}

/// Of keys that nobody configured.
void check_by_rule(const std::string& path, std::size_t count, const flint::CheckOptions& options) {
  Fixture fixture(path, SyncMode::kBatch, kNearlyUnlimited);
  require(fixture.limiter->limit("rule:*", kHours));
  for (std::string& key : fixture.keys) {
    key.insert(0, "rule:");
    require(fixture.limiter->check(key, 1, options).status());
  }
  measured([&] {
    for (std::size_t n = 0; n < count; ++n) {
      const auto decision = fixture.limiter->check(fixture.keys[n % kKeys], 1, options);
      if (!decision.ok() || !decision->allowed) require(false, "a check was not allowed");
    }
  });
}

/// Shows the times that it is set to, so that what is forgotten does not depend on how fast the machine is.
class SetClock final : public flint::Clock {
 public:
  void advance(flint::Nanos by) noexcept {
    reading_.wall += by;
    reading_.boot += by;
  }
  [[nodiscard]] flint::ClockReading read() const noexcept override { return reading_; }

 private:
  flint::ClockReading reading_{.wall = flint::WallTime(std::chrono::hours(500'000)), .boot = std::chrono::hours(1)};
};

/// Checks that each bring a key to life, a thousand a second.
void birth(const std::string& path, std::size_t count, const Limit& limit, const flint::CheckOptions& options) {
  SetClock clock;
  Options opened;
  opened.sync = SyncMode::kBatch;
  opened.flush_every_events = 1'000'000;
  opened.clock = &clock;
  auto limiter = Limiter::open(path, opened);
  require(limiter.status());
  require((*limiter)->limit("bench:*", limit));
  constexpr std::size_t kBefore = 10'000;
  std::vector<std::string> keys;
  for (std::size_t n = 0; n < kBefore + count; ++n) keys.push_back(key_name(n));
  const auto bear = [&](std::size_t from, std::size_t to) {
    for (std::size_t n = from; n < to; ++n) {
      clock.advance(std::chrono::milliseconds(1));
      const auto decision = (*limiter)->check(keys[n], 1, options);
      if (!decision.ok() || !decision->allowed) require(false, "a check was not allowed");
    }
  };
  bear(0, kBefore);
  measured([&] { bear(kBefore, kBefore + count); });
}

/// What an operation in `always` decides and logs before it waits: the part that the server's I/O thread does.
void decide_each(Fixture& fixture, std::size_t count) {
  for (std::size_t n = 0; n < count; ++n) {
    const auto decision = fixture.limiter->check_deferred(fixture.keys[n % kKeys]);
    if (!decision.ok() || !decision->value.allowed) require(false, "a check was decided otherwise than meant");
  }
}

void check_batch(const std::string& path, std::size_t count) {
  Fixture fixture(path, SyncMode::kBatch, kNearlyUnlimited);
  measured([&] { check_each(fixture, count, true); });
}

void check_always(const std::string& path, std::size_t count) {
  Fixture fixture(path, SyncMode::kAlways, kNearlyUnlimited);
  measured([&] { check_each(fixture, count, true); });
}

void check_always_decide(const std::string& path, std::size_t count) {
  Fixture fixture(path, SyncMode::kAlways, kNearlyUnlimited);
  measured([&] { decide_each(fixture, count); });
}

void check_denied(const std::string& path, std::size_t count) {
  Fixture fixture(path, SyncMode::kBatch, kOneADay);
  measured([&] { check_each(fixture, count, false); });
}

void check_all_of_four(const std::string& path, std::size_t count) {
  Fixture fixture(path, SyncMode::kBatch, kNearlyUnlimited);
  measured([&] { check_each_all_of_four(fixture, count); });
}

/// Beside check_by_pattern and check_carried: the same limit, set for each key.
void check_window(const std::string& path, std::size_t count) {
  Fixture fixture(path, SyncMode::kBatch, kHours);
  measured([&] { check_each(fixture, count, true); });
}

void check_by_pattern(const std::string& path, std::size_t count) { check_by_rule(path, count, {}); }

void check_carried(const std::string& path, std::size_t count) { check_by_rule(path, count, {.limit = kHours}); }

/// None is forgotten.
void birth_by_pattern(const std::string& path, std::size_t count) { birth(path, count, kHours, {}); }

void birth_carried(const std::string& path, std::size_t count) { birth(path, count, kHours, {.limit = kHours}); }

/// Each one leads to the end of another key.
void birth_and_end(const std::string& path, std::size_t count) { birth(path, count, kSecond, {}); }

/// Opens a log of `count` checks that was closed cleanly.
void replay(const std::string& path, std::size_t count) {
  {
    Fixture fixture(path, SyncMode::kBatch, kNearlyUnlimited);
    check_each(fixture, count, true);
    require(fixture.limiter->close());
  }
  measured([&] { require(Limiter::open(path).status()); });
}

const std::map<std::string, void (*)(const std::string&, std::size_t)> kWorkloads = {
    {"check_batch", check_batch},
    {"check_always", check_always},
    {"check_always_decide", check_always_decide},
    {"check_denied", check_denied},
    {"check_all_of_four", check_all_of_four},
    {"check_window", check_window},
    {"check_by_pattern", check_by_pattern},
    {"check_carried", check_carried},
    {"birth_by_pattern", birth_by_pattern},
    {"birth_carried", birth_carried},
    {"birth_and_end", birth_and_end},
    {"replay", replay},
};

}  // namespace

int main(int argc, char** argv) {
  require(argc == 4 && kWorkloads.contains(argv[1]), "usage: workloads NAME COUNT DIRECTORY");
  kWorkloads.at(argv[1])(argv[3] + std::string("/data"), std::strtoull(argv[2], nullptr, 10));
  return 0;
}
