#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "flint/stats.h"

namespace flint::base {

/// Counts values by range, for a reader that does not make the writer wait. Threads: record() from one at a time,
/// read() from any. Every value is in at most one bucket of what is read, and in its sum or about to be.
template <std::size_t kBuckets>
class AtomicHistogram {
 public:
  using Bounds = std::array<std::uint64_t, kBuckets>;

  /// `bounds` ascend.
  explicit constexpr AtomicHistogram(const Bounds& bounds) noexcept : bounds_(bounds) {}

  void record(std::uint64_t value, std::uint64_t times = 1) noexcept {
    std::size_t bucket = 0;
    while (bucket < kBuckets && value > bounds_[bucket]) ++bucket;
    add(counts_[bucket], times);
    add(sum_, value * times);
  }

  [[nodiscard]] Histogram read() const {
    Histogram histogram;
    histogram.buckets.reserve(kBuckets);
    for (std::size_t i = 0; i < kBuckets; ++i) {
      histogram.buckets.push_back({bounds_[i], counts_[i].load(std::memory_order_relaxed)});
    }
    histogram.above = counts_[kBuckets].load(std::memory_order_relaxed);
    histogram.sum = sum_.load(std::memory_order_relaxed);
    return histogram;
  }

 private:
  /// Without the lock of a read-modify-write, which one writer at a time does not need.
  static void add(std::atomic<std::uint64_t>& to, std::uint64_t value) noexcept {
    to.store(to.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
  }

  const Bounds bounds_;
  std::array<std::atomic<std::uint64_t>, kBuckets + 1> counts_{};
  std::atomic<std::uint64_t> sum_ = 0;
};

/// In nanoseconds, from 1 µs to 10 s: what memory, a good disk, a bad disk and a stuck one take.
inline constexpr std::array<std::uint64_t, 22> kLatencyBounds = [] {
  std::array<std::uint64_t, 22> bounds{};
  std::uint64_t decade = 1'000;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    constexpr std::array<std::uint64_t, 3> kTenths = {10, 25, 50};
    bounds[i] = decade * kTenths[i % kTenths.size()] / 10;
    if (i % kTenths.size() == kTenths.size() - 1) decade *= 10;
  }
  return bounds;
}();
static_assert(kLatencyBounds.back() == 10'000'000'000);

}  // namespace flint::base
