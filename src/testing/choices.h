#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arithmetic.h"
#include "flint/limit.h"
#include "flint/time.h"

/// What the tests of the limiter share.
namespace flint::testing {

/// A clock that only a test moves. One thread.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] ClockReading read() const noexcept override {
    ++reads_;
    const ClockReading now = reading_;
    reading_.wall = base::saturating_add(now.wall, tick_);
    reading_.boot += tick_;
    return now;
  }
  /// From here on so much time passes after each reading.
  void tick_by(Nanos step) { tick_ = step; }

  /// Time passes.
  void advance(Nanos by) {
    reading_.wall = base::saturating_add(reading_.wall, by);
    reading_.boot += by;
  }
  /// Somebody sets the wall clock; no time passes.
  void set_wall(WallTime to) { reading_.wall = to; }
  void set_boot(Nanos to) { reading_.boot = to; }
  /// From here on the boot is known; 0: it is not.
  void name_boot(std::uint8_t name) { boot_name_ = name; }
  [[nodiscard]] BootId boot_id() const noexcept override {
    BootId id{};
    id[0] = std::byte{boot_name_};
    return id;
  }
  /// The machine restarts: the boot-time clock starts anew, the wall clock continues.
  void reboot() {
    set_boot(Nanos(0));
    if (boot_name_ != 0 && ++boot_name_ == 0) boot_name_ = 1;
  }

  [[nodiscard]] WallTime wall() const { return reading_.wall; }
  /// How often it was read.
  [[nodiscard]] std::uint64_t reads() const { return reads_; }

 private:
  // 2026-11-23T18:22:02.123456789Z, some days after boot.
  mutable ClockReading reading_{WallTime(Nanos(1'795'458'122'123'456'789)), std::chrono::hours(100)};
  std::uint8_t boot_name_ = 0;
  Nanos tick_{0};
  mutable std::uint64_t reads_ = 0;
};

[[nodiscard]] inline std::string hex(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<std::size_t>(byte) >> 4];
    text += kDigits[std::to_integer<std::size_t>(byte) & 15];
  }
  return text;
}

/// Choices of a random test, all from one seed.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// From 0 to bound - 1.
  [[nodiscard]] std::uint64_t pick(std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(engine_);
  }
  [[nodiscard]] bool one_in(std::uint64_t chances) { return pick(chances) == 0; }
  template <typename T, std::size_t N>
  [[nodiscard]] T any_of(const std::array<T, N>& choices) {
    return choices[pick(N)];
  }
  /// From 0 to `most`, of any magnitude.
  [[nodiscard]] std::uint64_t any_up_to(std::uint64_t most) {
    const std::uint64_t bits = pick(65);
    const std::uint64_t number = bits == 0 ? 0 : engine_() >> (64 - bits);
    return std::min(number, most);
  }

 private:
  std::mt19937_64 engine_;
};

/// How long after all of it was used at once the full quota is back: what a sliding counter's window holds fades in the
/// next one. The limit has no burst.
[[nodiscard]] constexpr Nanos time_to_full(Algorithm algorithm, Nanos per) {
  return algorithm == Algorithm::kSlidingWindowCounter ? 2 * per : per;
}

}  // namespace flint::testing
