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
    const Duration pause = std::clamp<Duration>(kFirst - (now - begin_) / 100, kLast, kFirst);
    std::this_thread::sleep_for(std::min<Duration>(pause, end_ - now));
    return true;
  }

 private:
  using Clock = std::chrono::steady_clock;
  using Duration = Clock::duration;
  static constexpr Duration kFirst = std::chrono::milliseconds(20);
  static constexpr Duration kLast = std::chrono::milliseconds(2);

  Clock::time_point begin_;
  Clock::time_point end_;
};

}  // namespace flint::base
