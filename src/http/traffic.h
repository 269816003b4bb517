#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/atomic_histogram.h"

namespace flint::http {

/// The counters of one I/O loop, on cache lines of their own, so that loops do not slow each other down. Threads:
/// written by the loop's thread, read by any.
class alignas(64) Traffic {
 public:
  /// The classes of HTTP statuses, 1xx to 5xx.
  static constexpr std::size_t kClasses = 5;

  void answered(int status) noexcept {
    std::atomic<std::uint64_t>& count = answers_[static_cast<std::size_t>(status / 100 - 1)];
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  /// Counts `checks` answers, each this long after the request was read.
  void decided(std::chrono::steady_clock::duration took, std::uint64_t checks = 1) noexcept {
    check_nanos_.record(static_cast<std::uint64_t>(std::chrono::nanoseconds(took).count()), checks);
  }

  /// The count of a class, such as 2 for 2xx.
  [[nodiscard]] std::uint64_t answers(std::size_t status_class) const noexcept {
    return answers_[status_class - 1].load(std::memory_order_relaxed);
  }
  [[nodiscard]] Histogram check_nanos() const { return check_nanos_.read(); }

 private:
  std::array<std::atomic<std::uint64_t>, kClasses> answers_{};
  base::AtomicHistogram<base::kLatencyBounds.size()> check_nanos_{base::kLatencyBounds};
};

}  // namespace flint::http
