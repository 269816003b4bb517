#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace flint::bench {

/// Latencies in buckets that are at most 1/32 of their value wide, so that a percentile is off by 3 % at most,
/// recording costs a nanosecond and memory is fixed.
namespace histogram {

inline constexpr unsigned kSubBits = 5;
inline constexpr std::size_t kSub = std::size_t{1} << kSubBits;
inline constexpr std::size_t kBuckets = (64 - kSubBits + 1) * kSub;

// Values below 64 have a bucket each; above, the five bits after the leading one choose within a power of two.
constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
  if (value < 2 * kSub) return value;
  const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - kSubBits - 1;
  return shift * kSub + static_cast<std::size_t>(value >> shift);
}

/// The largest value in `bucket`.
constexpr std::uint64_t last_of(std::size_t bucket) noexcept {
  if (bucket < 2 * kSub) return bucket;
  const std::size_t shift = bucket / kSub - 1;
  return ((std::uint64_t{bucket % kSub + kSub} + 1) << shift) - 1;
}

static_assert(bucket_of(~std::uint64_t{0}) == kBuckets - 1 && last_of(kBuckets - 1) == ~std::uint64_t{0});
static_assert(last_of(bucket_of(1'000'000)) >= 1'000'000 && last_of(bucket_of(1'000'000)) < 1'032'000);

}  // namespace histogram

/// One thread.
class LatencyHistogram {
 public:
  void record(std::chrono::nanoseconds latency) noexcept {
    const auto ns = latency.count() > 0 ? static_cast<std::uint64_t>(latency.count()) : 0;
    ++counts_[histogram::bucket_of(ns)];
    ++total_;
  }

  /// The largest value in the bucket that holds the `part` quantile (0.5 is the median); 0 when nothing was recorded.
  [[nodiscard]] double quantile_us(double part) const noexcept {
    const auto rank = static_cast<std::uint64_t>(part * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < histogram::kBuckets; ++bucket) {
      seen += counts_[bucket];
      if (seen > rank) return static_cast<double>(histogram::last_of(bucket)) / 1000.0;
    }
    return 0;
  }

 private:
  std::array<std::uint64_t, histogram::kBuckets> counts_{};
  std::uint64_t total_ = 0;
};

}  // namespace flint::bench
