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

namespace {

using flint::Limit;
using flint::Limiter;
using flint::Options;
using flint::SyncMode;

constexpr std::size_t kKeys = 1000;
const Limit kNearlyUnlimited{.rate = flint::kMaxUnits, .per = std::chrono::seconds(1)};
const Limit kOneADay{.rate = 1, .per = std::chrono::hours(24)};

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

/// What an operation in `always` decides and logs before it waits: the part that the server's I/O thread does.
void decide_each(Fixture& fixture, std::size_t count) {
  for (std::size_t n = 0; n < count; ++n) {
    const auto decision = fixture.limiter->check_deferred(fixture.keys[n % kKeys]);
    if (!decision.ok() || !decision->value.allowed) require(false, "a check was decided otherwise than meant");
  }
}

}  // namespace

/// C linkage, so that callgrind knows it by this name; not inlined, so that it finds it at all.
extern "C" [[gnu::noinline]] void measured(const std::function<void()>& body) { body(); }

namespace {

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
    {"replay", replay},
};

}  // namespace

int main(int argc, char** argv) {
  require(argc == 4 && kWorkloads.contains(argv[1]), "usage: workloads NAME COUNT DIRECTORY");
  kWorkloads.at(argv[1])(argv[3] + std::string("/data"), std::strtoull(argv[2], nullptr, 10));
  return 0;
}
