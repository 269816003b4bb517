#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "flint/time.h"

namespace flint::storage {

/// How long the oldest record that is not durable has waited for its sync. The owner of the state reports each append
/// with a time that it has read already, so that neither an append nor a query reads the clock.
///
/// It keeps two records: the first one that the last sync did not cover, and the first one that the sync before that
/// did not cover. One of them is the oldest that is not durable, whether or not the last sync has ended.
///
/// Threads: guarded by the owner's mutex.
class UnsyncedAge {
 public:
  /// `durable_seq` must outlive this object.
  UnsyncedAge(const std::atomic<std::uint64_t>& durable_seq, Nanos most) : durable_seq_(durable_seq), most_(most) {}

  /// Reports that the record `seq` was appended at `now`, which never decreases.
  void appended(std::uint64_t seq, Time now) noexcept {
    if (left_out_.seq != 0) [[likely]]
      return;
    left_out_ = {seq, now};
    look_again_after_ = std::min(look_again_after_, end_of_patience(now));
  }

  /// Reports that a sync of everything appended so far begins.
  void sync_begins() noexcept {
    before_ = left_out_;
    left_out_ = {};
  }

  /// Whether the oldest record that is not durable is older than `most`.
  [[nodiscard]] bool exceeds_most(Time now) noexcept {
    if (now <= look_again_after_) [[likely]]
      return false;
    const Mark mark = oldest();
    look_again_after_ = mark.seq != 0 ? end_of_patience(mark.at) : Time::max();
    return now > look_again_after_;
  }

  /// The age; 0 if everything is durable. `last_seq` is the newest record's number.
  [[nodiscard]] Nanos age(std::uint64_t last_seq, Time now) const noexcept {
    if (durable_seq_.load(std::memory_order_acquire) >= last_seq) return Nanos(0);
    const Mark mark = oldest();
    return mark.seq != 0 ? std::max(now - mark.at, Nanos(0)) : Nanos(0);
  }

 private:
  struct Mark {
    /// 0: no record.
    std::uint64_t seq = 0;
    Time at{};
  };

  /// The oldest reported record that is not durable.
  [[nodiscard]] Mark oldest() const noexcept {
    if (left_out_.seq == 0) return before_;
    const bool last_sync_ended = durable_seq_.load(std::memory_order_acquire) + 1 >= left_out_.seq;
    return before_.seq == 0 || last_sync_ended ? left_out_ : before_;
  }
  [[nodiscard]] Time end_of_patience(Time since) const noexcept {
    return since > Time::max() - most_ ? Time::max() : since + most_;
  }

  const std::atomic<std::uint64_t>& durable_seq_;
  const Nanos most_;
  Mark before_;
  Mark left_out_;
  /// Nothing can be too old before this time.
  Time look_again_after_ = Time::max();
};

}  // namespace flint::storage
