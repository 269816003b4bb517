#include "base/acquire.h"

#include <algorithm>
#include <random>
#include <thread>

namespace flint::base {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// Of a key that is blocked, which only an operator changes.
constexpr milliseconds kPollEvery{1000};
constexpr milliseconds kMostJitter{100};

/// Never shorter than the denial says. The jitter is a part of the wait, so that a short one stays short.
milliseconds pause_after(const Decision& denial) {
  thread_local std::minstd_rand random(std::random_device{}());
  // Years are longer than any timeout; the sum below must not overflow.
  constexpr std::uint64_t kLongest = std::uint64_t{1} << 40;
  const milliseconds wait =
      denial.retry_after_ms ? milliseconds(std::min(*denial.retry_after_ms, kLongest)) : kPollEvery;
  const milliseconds most = std::min(wait / 8 + milliseconds(1), kMostJitter);
  return wait + milliseconds(std::uniform_int_distribution<milliseconds::rep>(0, most.count())(random));
}

}  // namespace

Result<Decision> acquire(const Attempt& attempt, milliseconds timeout) {
  const milliseconds longest = std::chrono::duration_cast<milliseconds>(kMaxPeriod);
  const steady_clock::time_point end = steady_clock::now() + std::min(timeout, longest);
  Result<Decision> last = attempt(false);
  while (last.ok() && !last->allowed) {
    const auto left = std::chrono::ceil<milliseconds>(end - steady_clock::now());
    if (left <= milliseconds(0)) break;
    std::this_thread::sleep_for(std::min(left, pause_after(*last)));
    last = attempt(true);
    if (last.ok() && last->allowed) last = attempt(false);
  }
  return last;
}

}  // namespace flint::base
