#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

namespace flint::base {

/// Waits by trying again and again for something that many may wait for. Who has waited for longer tries more often,
/// so that nobody is overtaken for ever by those who came later.
class Patience {
 public:
  explicit Patience(std::chrono::milliseconds most) : begin_(Clock::now()), end_(begin_ + most) {}

  /// Sleeps until it is time for the next try; false, at once, when the time is over.
  [[nodiscard]] bool pause() const {
    const auto now = Clock::now();
    if (now >= end_) return false;
    const Duration waited = now - begin_;
    const Duration pause = waited < kCrowded ? kFirst : std::clamp<Duration>(kSlowest - waited / 50, kLast, kSlowest);
    std::this_thread::sleep_for(std::min<Duration>(pause, end_ - now));
    return true;
  }

 private:
  using Clock = std::chrono::steady_clock;
  using Duration = Clock::duration;
  static constexpr Duration kFirst = std::chrono::milliseconds(20);
  /// A directory that is still held by then has many that wait for it. A hundred of them, each trying every 2 ms, took
  /// the processor from the one that had what they waited for.
  static constexpr Duration kCrowded = std::chrono::milliseconds(60);
  static constexpr Duration kSlowest = std::chrono::milliseconds(100);
  static constexpr Duration kLast = std::chrono::milliseconds(5);

  Clock::time_point begin_;
  Clock::time_point end_;
};

}  // namespace flint::base
