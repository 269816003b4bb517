#pragma once

#include <cstdint>

namespace flint::testing {

/// Random choices that are the same on every machine for the same seed (splitmix64: cheap to start, which matters when
/// each of many thousand crash points starts one).
class Dice {
 public:
  explicit Dice(std::uint64_t seed) noexcept : state_(seed) {}

  [[nodiscard]] std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// From 0 to `end` - 1.
  [[nodiscard]] std::uint64_t below(std::uint64_t end) noexcept { return next() % end; }
  [[nodiscard]] bool chance(unsigned percent) noexcept { return below(100) < percent; }
  /// Mostly no, half and half, or mostly yes: one bias for a whole crash shows more than a new coin each time.
  [[nodiscard]] unsigned bias() noexcept { return 10 + 40 * static_cast<unsigned>(below(3)); }

 private:
  std::uint64_t state_;
};

}  // namespace flint::testing
