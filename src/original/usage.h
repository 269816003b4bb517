#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "algorithm/algorithm.h"
#include "flint/status.h"
#include "limiter/keys.h"

namespace flint::original {

/// The algorithm with this name, if the original has it: three of this Flint's.
[[nodiscard]] std::optional<Algorithm> original_algorithm(std::string_view name) noexcept;

/// What the original Flint wrote down, event by event, as this Flint's own state of every key. Nobody is forgiven: what
/// was used counts by this Flint's rules (a changed limit keeps it, also when the algorithm changes), and where the
/// original's floating-point numbers granted a hair more than there was, the key is taken as used up.
///
/// A time after `now` comes from a wall clock that was ahead: what happened then happened before now, and counts as of
/// now. A time before one that a key has seen is taken as that one, as everywhere in Flint.
///
/// A failed call, always kInvalidArgument, changed nothing.
class Usage {
 public:
  explicit Usage(WallTime now) : now_(now) {}

  Status configure(std::string_view key, const Limit& limit, WallTime at);
  /// Of a key that was configured, as the next two.
  Status allow(std::string_view key, Units cost, WallTime at);
  Status deny(std::string_view key, Units cost, WallTime at);
  Status reset(std::string_view key, WallTime at);

  /// A key as a snapshot has it; `state` is one of `limit`. Refused when the key is there already.
  Status restore(std::string_view key, const Limit& limit, algorithm::State state, const limiter::Counters& counters);

  /// `at`, but not after now.
  [[nodiscard]] WallTime not_after_now(WallTime at) noexcept {
    if (at > now_) ++late_;
    return std::min(at, now_);
  }
  [[nodiscard]] Time time_of(WallTime at) noexcept { return Time(not_after_now(at).time_since_epoch()); }

  [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }
  /// How many times were after now.
  [[nodiscard]] std::uint64_t late() const noexcept { return late_; }
  [[nodiscard]] limiter::Keys take() { return std::move(keys_); }

 private:
  Result<limiter::KeyEntry*> find(std::string_view key);

  WallTime now_;
  limiter::Limits limits_;
  limiter::Keys keys_;
  std::uint64_t late_ = 0;
};

}  // namespace flint::original
